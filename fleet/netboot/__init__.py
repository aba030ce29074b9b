"""Diskless hosts: what each boots is decided here, served as an iPXE script, and tried once before it stays."""
