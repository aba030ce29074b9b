"""Parameters of firmware."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core.model import Reversibility
from playbooks.params import Duration


class Tool(StrEnum):
    """What flashes a card."""

    NVMUPDATE = "nvmupdate"
    DEVLINK = "devlink"
    MSTFLINT = "mstflint"


class Activate(StrEnum):
    """How the new firmware comes to run."""

    AUTO = "auto"
    REBOOT = "reboot"
    POWER_CYCLE = "power-cycle"
    RESET = "reset"


_SHA256 = r"^([0-9a-f]{64})?$"


class FirmwareParams(BaseModel):
    """Which card, which version as the card itself says it, from which files, by which tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Tool = Field(description="nvmupdate (Intel), devlink (ice, mlx5 and others), mstflint (NVIDIA)")
    interface: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$", description="one port of the card; all share it"
    )
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9._-]{0,39}$", description='as the card says it, such as "8.30"')
    file: str = Field(
        pattern=r"^[A-Za-z0-9/][A-Za-z0-9._+/-]{0,200}$",
        description="the image on the device; devlink: below /lib/firmware",
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the image")
    config: str = Field(default="", pattern=r"^(/[A-Za-z0-9._+/-]{1,200})?$", description="nvmupdate.cfg that names it")
    config_sha256: str = Field(default="", pattern=_SHA256, description="of nvmupdate.cfg")
    program: str = Field(
        default="nvmupdate64e", pattern=r"^/?[A-Za-z0-9._+/-]{1,200}$", description="path of nvmupdate64e"
    )
    component: str = Field(
        default="fw.mgmt", pattern=r"^[a-z0-9._]{1,40}$", description="devlink: whose version counts"
    )
    activate: Activate = Field(default=Activate.AUTO, description="auto: what the tool asks for, a reboot at least")
    reversible: Reversibility = Field(default=Reversibility.BY_REFLASH, description="by reflash, or not at all")
    together: bool = Field(default=False, description="asked for: in one change with other steps")
    within: Duration = Field(default=3600.0, description="flash and restart together; a flash is never cut off by us")

    @model_validator(mode="after")
    def _fits(self) -> "FirmwareParams":
        if self.reversible not in {Reversibility.BY_REFLASH, Reversibility.NOT_AT_ALL}:
            raise ValueError("reversible: by reflash, or not at all")
        if self.tool is Tool.NVMUPDATE and not (self.config and self.config_sha256):
            raise ValueError("nvmupdate: config and config_sha256 as well")
        if self.tool is not Tool.DEVLINK and not self.file.startswith("/"):
            raise ValueError("file: an absolute path")
        if ".." in self.file + self.config + self.program:
            raise ValueError("paths without ..")
        return self

    def digests(self) -> dict[str, str]:
        """Path > SHA-256 of everything that the tool reads."""
        file = self.file if self.file.startswith("/") else f"/lib/firmware/{self.file}"
        return {file: self.sha256, **({self.config: self.config_sha256} if self.config else {})}
