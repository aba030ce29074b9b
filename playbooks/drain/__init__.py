"""Move traffic off a router and back, proven by what the router says and by its counters."""
