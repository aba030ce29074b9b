"""The same change over the same SSH targets by Slipway, Ansible and a plain script; `python -m proof.peers`."""
