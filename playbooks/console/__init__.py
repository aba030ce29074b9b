"""The way in beside the network, tried before it may be needed."""
