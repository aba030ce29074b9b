"""Parameters of vyos-image and vyos-default."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from playbooks.params import Duration

# Names as vyos-1x allows them (validate_name). None is a path: it becomes a part of several.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$"
_SOURCE = r"^((https?|ftp)://[^\s'\"<>]{4,380}|/[^\s'\"<>]{1,380})?$"


class ImageParams(BaseModel):
    """Which image, where the device gets it, and how long everything may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(pattern=NAME, description="its name, which is the version that is in it, such as 1.4.1")
    source: str = Field(
        default="", pattern=_SOURCE, description="address from which the device gets the ISO, or a path on the device"
    )
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of the ISO; the device checks it")
    signature: str = Field(
        default="", pattern=r"^(https?://[^\s'\"<>]{4,380}|/[^\s'\"<>]{1,380})?$",
        description="its minisign signature; checked with `key` as well as the digest",
    )  # fmt: skip
    key: str = Field(default="", pattern=r"^(/[A-Za-z0-9_./+-]{1,200})?$", description="public key, on the device")
    panic: int = Field(
        default=30, ge=1, le=300, strict=True, description="seconds from a panic in the trial to the reset"
    )
    confirm: Duration = Field(
        default=900.0, ge=60.0, le=7200.0,
        description="the device goes back to its old image unless it is reached so soon after the new one starts",
    )  # fmt: skip
    within: Duration = Field(default=3600.0, description="download, installation, reboot and confirmation together")

    @model_validator(mode="after")
    def _fits(self) -> "ImageParams":
        if bool(self.source) != bool(self.sha256):
            raise ValueError("source and sha256 together")
        if bool(self.signature) != bool(self.key):
            raise ValueError("signature and key together")
        return self


class DefaultParams(BaseModel):
    """Which image becomes the default: the one that runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(pattern=NAME, description="name of the image that runs")
