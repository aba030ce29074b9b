"""Restart a router, or only its routing daemons, exactly once."""
