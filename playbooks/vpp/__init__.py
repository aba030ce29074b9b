"""Forwarding with VPP: from the kernel to it, group by group back into service, small changes in place, and back."""
