"""Cisco UCS: adapter policies of service profiles, changed through UCS Manager."""
