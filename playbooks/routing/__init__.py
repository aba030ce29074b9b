"""A section of the routing configuration, applied so that the router puts itself back unless it is confirmed."""
