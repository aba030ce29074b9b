"""Parameters of driver."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from playbooks.params import Duration


class Activate(StrEnum):
    """How the wanted copy comes to run."""

    AUTO = "auto"
    RELOAD = "reload"
    REBOOT = "reboot"


class DriverParams(BaseModel):
    """Which driver is wanted, where a vendor's comes from, how it is set, and how it comes to run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$", description="of the module, such as i40e")
    flavour: str = Field(pattern=r"^(in-tree|vendor)$", description="the kernel's own, or the vendor's (dkms)")
    version: str = Field(default="", pattern=r"^([0-9][A-Za-z0-9.+~_-]{0,39})?$", description="of a vendor's driver")
    package: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9+.-]{1,60}=[A-Za-z0-9.+:~-]{1,60})?$",
        description="NAME=VERSION, for apt",
    )
    tarball: str = Field(
        default="", pattern=r"^(/[A-Za-z0-9._+/-]{1,200})?$", description="of dkms, on the device; wants sha256"
    )
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of the tarball")
    options: dict[str, str] | None = Field(default=None, description="modprobe options; not named: left as they are")
    blacklist: tuple[str, ...] | None = Field(default=None, description="modules that are not to be loaded by hardware")
    activate: Activate = Field(
        default=Activate.AUTO,
        description="auto: loaded anew where neither the way in nor a VLAN, bond, bridge hangs on it, else reboot",
    )
    # A server needs 3 to 10 minutes from the reboot until it answers; the timer counts from the new boot.
    confirm: Duration = Field(
        default=600.0, ge=60.0, le=7200.0, description="the device puts itself back unless it is reached in this time"
    )
    within: Duration = Field(default=1800.0, description="building, initramfs, reboot and confirmation together")

    @model_validator(mode="after")
    def _fits(self) -> "DriverParams":
        if (self.flavour == "vendor") != bool(self.version):
            raise ValueError("a version for a vendor's driver, none for the kernel's own")
        if self.flavour == "in-tree" and (self.package or self.tarball):
            raise ValueError("no package and no tarball: the kernel's own driver is there already")
        if bool(self.tarball) != bool(self.sha256):
            raise ValueError("tarball and sha256 together")
        words = [*(self.options or {}).keys(), *(self.options or {}).values(), *(self.blacklist or ())]
        if any(
            not word.isascii() or not word.replace("_", "").replace(",", "").replace("-", "").isalnum()
            for word in words
        ):
            raise ValueError("options and blacklist of letters, digits, commas, dashes and underscores")
        return self
