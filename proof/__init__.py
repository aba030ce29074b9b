"""Proof in figures: one folder or file per claim, each run by one `make proof-*`, each writing its section of docs/proof.md."""
