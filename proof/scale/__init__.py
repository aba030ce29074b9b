"""One change over thousands of simulated routers by the processes of production; `python -m proof.scale`."""
