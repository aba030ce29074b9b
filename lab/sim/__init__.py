"""Virtual routers that speak real SSH: a pure model of each router, and one process that serves them all."""
