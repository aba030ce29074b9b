"""Which platforms have a shell to be asked, and which are read through NAPALM. Pure, and quick to import."""

from playbooks.base import Device

# Read by a shell in one round trip (playbooks/facts); everything else has NAPALM's getters.
BY_SHELL = frozenset({"linux", "vyos"})


def by_getters(device: Device) -> bool:
    """Is this device one without a shell? Then `playbooks.network_os` reads it."""
    return device.platform not in BY_SHELL
