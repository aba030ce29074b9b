"""The REST API of the inventory: what people enter, what is wanted, what was seen, what differs."""
