"""The driver of network cards: the kernel's own or a vendor's, on the disk, in the initramfs and loaded."""
