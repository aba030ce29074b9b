"""The firmware of network cards: flashed once, activated, and read back from the card that runs."""
