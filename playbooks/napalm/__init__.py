"""A configuration through NAPALM: compared, approved, committed with a way back, confirmed over a new connection."""
