"""Queues and rings of network cards."""
