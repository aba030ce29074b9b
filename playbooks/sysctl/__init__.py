"""Kernel settings: at once, and over a reboot."""
