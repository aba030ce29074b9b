"""Diskless hosts: another kernel is another boot target on Slipway's side, tried once."""
