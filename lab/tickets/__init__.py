"""Ticket systems of ours that answer as the real ones do, slow, failing and lying when told; a webhook receiver."""
