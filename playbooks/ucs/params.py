"""Parameters of ucs."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core.ucs import BUNDLE
from playbooks.params import Duration


class UcsParams(BaseModel):
    """The queues that a host's vNICs are to have, the firmware of its blade, or both with one reboot.

    Completion queues, interrupts and RSS follow from the queues.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    receive: int | None = Field(default=None, ge=1, le=1000, description="receive queues of each vNIC")
    transmit: int | None = Field(default=None, ge=1, le=1000, description="transmit queues; as many as receive queues")
    receive_ring: int | None = Field(default=None, ge=64, le=16384, description="descriptors; as they are")
    transmit_ring: int | None = Field(default=None, ge=64, le=16384, description="descriptors; as they are")
    arfs: bool | None = Field(default=None, description="accelerated receive flow steering; as it is")
    policy: str = Field(
        default="", pattern=r"^[-.:_a-zA-Z0-9]{0,16}$", description="name of the copy; made from the policy's own"
    )
    firmware: str = Field(
        default="", pattern=rf"^({BUNDLE})?$", description="bundle of the host firmware pack: 4.2(3d)B"
    )
    pack: str = Field(
        default="", pattern=r"^[-.:_a-zA-Z0-9]{0,16}$", description="name of the copy of the pack; made from the bundle"
    )
    vnics: tuple[str, ...] = Field(default=(), description="names of the vNICs; all")
    shutdown: Duration = Field(default=150.0, description="for the host to shut down before it counts as hanging")
    within: Duration = Field(
        default=3600.0, description="shutdown, association and boot together; an association cannot be stopped"
    )

    @model_validator(mode="after")
    def _fits(self) -> "UcsParams":
        if self.receive is None and not self.firmware:
            raise ValueError("receive or firmware: at least one of them")
        if self.receive is None and (self.transmit or self.receive_ring or self.transmit_ring or self.vnics):
            raise ValueError("transmit, rings, vnics: only with receive")
        if self.within <= self.shutdown:
            raise ValueError("within: longer than shutdown")
        return self
