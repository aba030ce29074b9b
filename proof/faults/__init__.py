"""Thousands of injected faults, judged from the devices' own logs."""
