"""Loss and latency between vantage points, before and after."""
