"""Routers that are virtual machines with kernels of their own: real boots, real GRUB, real panics. See README.md."""
