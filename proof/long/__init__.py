"""The processes of production under continuous changes with faults for an hour: what grows; `python -m proof.long`."""
