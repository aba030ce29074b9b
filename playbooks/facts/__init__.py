"""Facts and measurements of a device: what it is, and how it is at this moment."""
