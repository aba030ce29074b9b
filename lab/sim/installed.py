"""What software a virtual router has: builds of the driver of its cards, packages."""

import hashlib
from dataclasses import dataclass, field

DRIVER = "i40e"


@dataclass(frozen=True)
class Module:
    """One build of a driver."""

    name: str
    version: str = ""  # in-tree drivers have none of their own

    @property
    def flavour(self) -> str:
        return "vendor" if self.version else "in-tree"

    def srcversion(self, kernel: str) -> str:
        return hashlib.sha256(f"{self.name}/{self.version or kernel}".encode()).hexdigest()[:24].upper()


@dataclass
class Software:
    """What is installed. `built`: kernel -> version of the vendor's driver that dkms has installed for it."""

    sources: set[str] = field(default_factory=set)  # NAME/VERSION known to dkms
    built: dict[str, str] = field(default_factory=dict)
    initrd: dict[str, Module] = field(default_factory=dict)  # kernel -> the copy in its initramfs
    loaded: Module = Module(DRIVER)
    packages: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def on_disk(self, kernel: str) -> Module:
        return Module(DRIVER, self.built.get(kernel, ""))

    def boot(self, kernel: str) -> None:
        """The initramfs loads its own copy of the driver, whatever lies on the disk."""
        self.loaded = self.initrd.get(kernel, Module(DRIVER))
