"""Ticket systems: one folder each, behind one contract (base.py)."""
