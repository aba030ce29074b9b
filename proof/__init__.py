"""Proof in figures: a folder or file per claim, run by one `make proof-*`, told in its section of docs/proof.md."""
