"""`python -m slipway_client`: the same as `slipway`."""

from slipway_client.main import run

run()
