"""Virtual routers that speak real SSH: a pure model of each router, and one process that serves them all."""

from lab.sim.fleet import FleetError, SimFleet

__all__ = ["FleetError", "SimFleet"]
