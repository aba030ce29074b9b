"""Proof in figures: one part per claim, run by one `make proof-*`, each writing its section of docs/proof.md."""
