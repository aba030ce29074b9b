"""Slipway on the command line. Talks to the API over HTTP and to nothing else."""
