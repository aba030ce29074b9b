"""The flash of a virtual card: which firmware lies in it and which runs."""

from dataclasses import dataclass

# eetrack id -> NVM version of the images that there are.
IMAGES = {"80005505": "6.01", "80007D49": "7.00", "80008B82": "8.00", "8000B6B9": "8.30"}
IDS = {version: eetrack for eetrack, version in IMAGES.items()}


@dataclass
class Nvm:
    """The flash of one card, all its ports."""

    running: str = "8.00"
    stored: str = "8.00"
    broken: bool = False

    @property
    def text(self) -> str:
        """What `ethtool -i` says."""
        version = "0.00" if self.broken else self.running
        return f"{version} 0x{IDS.get(version, '00000000').lower()} 1.3353.0"
