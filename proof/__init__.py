"""Proof in figures: a folder or file per claim, run by one `make proof-*`, each writing its section of docs/proof.md."""
