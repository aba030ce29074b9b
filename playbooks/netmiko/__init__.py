"""Lines for platforms that only netmiko knows: what is told, what takes it back, and what shows which of them is so."""
