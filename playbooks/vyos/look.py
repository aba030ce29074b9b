"""A look at images and boot loader of a VyOS, in one round trip."""

from collections.abc import Mapping
from dataclasses import dataclass

from custom_napalm import vyos, vyos_texts
from custom_napalm.vyos_texts import Images
from fleet.core.model import Json, Reason
from playbooks import boot
from playbooks.base import Answer, Session, output
from playbooks.vyos import render

PERSIST = ["/opt/vyatta/sbin/vyos-persistpath"]
# File systems that GRUB can write its environment to; on others the trial would be booted for ever.
_WRITABLE = frozenset({"ext2", "fat", "xfs"})
# An ISO and the squashfs that is copied out of it: 500 to 700 MB each in 1.4 and 1.5.
_ROOM = 2 << 30


@dataclass(frozen=True)
class State:
    """What runs, what boots next, and what the menu has for the image that is meant."""

    images: Images
    boot_id: str
    cmdline: str
    env: Mapping[str, str]
    root: str  # where the images lie
    entry: str  # the menu entry of the image that is meant; "" where there is none
    menu: str  # Slipway's own file in the menu; "" for none
    wrong: tuple[Reason, ...]  # why nothing can be tried once here

    @property
    def trial(self) -> str:
        """The token of the trial that this boot is; "" when it is none."""
        return next((w.partition("=")[2] for w in self.cmdline.split() if w.startswith("slipway.trial=")), "")

    @property
    def once(self) -> str:
        return self.env.get(render.ONCE, "")

    def data(self) -> dict[str, Json]:
        return {
            "image": self.images.running, "default": self.images.default, "images": list(self.images.available),
            "boot_id": self.boot_id, "trial": bool(self.trial),
        }  # fmt: skip


def look(session: Session, image: str) -> State | Reason:
    """The state, or why it cannot be told. Raises as the session."""
    asked = {
        "images": [vyos.IMAGE_INFO, "show_images_summary", "--raw"],
        "boot_id": boot.BOOT_ID,
        "cmdline": ["cat", "/proc/cmdline"],
        "env": ["grub-editenv", render.GRUBENV, "list"],
        "root": PERSIST,
        "entry": ["cat", render.entry_file(image)],
        "menu": ["cat", render.TRIAL_FILE],
        "main": ["cat", "/boot/grub/grub.cfg"],
        "abstraction": ["grub-probe", "--target=abstraction", render.GRUBENV],
        "fs": ["grub-probe", "--target=fs", "/boot/grub"],
    }
    answers = session.batch(asked, timeout_s=60.0, root=True)
    subject = f"images of {session.device.name}"
    boot_id = boot.boot_id(output(answers, "boot_id"))
    if asked.keys() - answers.keys() or boot_id is None:
        return Reason(subject, "an answer that was cut off or has no boot id", "images, menu and boot id")
    images = vyos_texts.images(output(answers, "images"))
    if images is None:
        remedy = "This kind needs VyOS 1.4 or later with its image tools; see docs/vyos.md."
        return Reason(subject, f"no list that can be read: {answers['images'].said}", "image_info.py", remedy)
    pairs = (line.partition("=") for line in output(answers, "env").splitlines())
    return State(
        images, boot_id, output(answers, "cmdline").strip(), {n: v for n, s, v in pairs if s},
        output(answers, "root").strip(), output(answers, "entry"), output(answers, "menu"),
        _wrong(session.device.name, answers, images),
    )  # fmt: skip


def _wrong(name: str, answers: Mapping[str, Answer], images: Images) -> tuple[Reason, ...]:
    """Everything that would make a boot that happens once stay, or not come."""
    subject, reasons = f"boot loader of {name}", []
    main = output(answers, "main")
    if "load_env" not in main or "-autoload.cfg" not in main:
        remedy = "Update its boot menu: boot an image of 1.4 or later and add an image by hand once."
        reasons.append(Reason(subject, "a menu that is not of VyOS's image tools", "grub.cfg.d and grubenv", remedy))
    abstraction, fs = output(answers, "abstraction").strip(), output(answers, "fs").strip()
    if abstraction or fs not in _WRITABLE:
        found = f"{abstraction or fs or answers['fs'].said}, which GRUB cannot write to"
        remedy = "An image that is to be tried once would be booted for ever; with software RAID change it by hand."
        reasons.append(Reason(f"/boot of {name}", found, "a plain partition with ext4, xfs or fat", remedy))
    if not output(answers, "root").strip().startswith("/"):
        reasons.append(Reason(f"images of {name}", "no place where they lie", "an installed image", "Not a live boot."))
    if not images.running or images.running not in images.available:
        remedy = "Boot one that is installed: without it there is no way back."
        reasons.append(Reason(f"images of {name}", f"{images.running or 'none'} runs", "an installed image", remedy))
    return tuple(reasons)


def room(session: Session, root: str) -> tuple[Reason, ...]:
    """Why there is no room for another image; empty: there is."""
    return boot.room(session, root, least=_ROOM, remedy="Delete images that neither run nor are the default.")
