"""The tools that flash cards: what each asks before, sends, and says afterwards. Pure but for `result`."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Reason
from playbooks.base import Answer, Session
from playbooks.detached import STATE, Job, Progress
from playbooks.firmware import parse
from playbooks.firmware.params import FirmwareParams, Tool
from playbooks.firmware.parse import Card, Flashed

# Families whose cards a tool can flash; others are refused before anything is sent.
FAMILIES: Mapping[Tool, frozenset[str]] = {
    Tool.NVMUPDATE: frozenset({"i40e", "ice", "ixgbe", "igb", "e1000e", "igc"}),
    Tool.DEVLINK: frozenset({"ice", "mlx5_core", "bnxt_en", "nfp", "ionic", "mlxsw_spectrum", "qed"}),
    Tool.MSTFLINT: frozenset({"mlx5_core", "mlx4_core", "mlx4_en"}),
}


@dataclass(frozen=True)
class Versions:
    """What a card says: `running` now, `stored` for the next start (empty: not told apart)."""

    running: str
    stored: str = ""


def questions(params: FirmwareParams, card: Card, mac: str, job: Job) -> dict[str, list[str]]:
    """What is asked before a flash: the version, and a dry run where the tool has one."""
    match params.tool:
        case Tool.NVMUPDATE:
            # In a file of its own: what a flash that dies leaves must not be read from the inventory before it.
            listing = [params.program, "-i", "-l", job.file("dry-log"), "-o", job.file("dry"), "-c", params.config]
            folder = ["mkdir", "-p", STATE]
            return {"folder": folder, "dry": [*listing, "-m", mac], "dry_result": ["cat", job.file("dry")]}
        case Tool.DEVLINK:
            return {"info": ["devlink", "-j", "dev", "info", f"pci/{card.bus}"]}
        case Tool.MSTFLINT:
            image = ["mstflint", "-i", params.file]
            return {"info": ["mstflint", "-d", card.bus, "q"], "image": [*image, "q"], "dry": [*image, "v"]}


def versions(params: FirmwareParams, card: Card, answers: Mapping[str, Answer]) -> Versions:
    said = answers.get("info")
    text = said.out if said is not None and said.ok else ""
    match params.tool:
        case Tool.NVMUPDATE:
            return Versions(card.firmware.partition(" ")[0])
        case Tool.DEVLINK:
            return Versions(*parse.devlink(text, params.component))
        case Tool.MSTFLINT:
            rows = parse.mstflint(text)
            stored = rows.get("FW Version", "")
            return Versions(rows.get("FW Version(Running)", stored), stored)


def refusal(params: FirmwareParams, answers: Mapping[str, Answer]) -> Reason | None:
    """Why the dry run says no."""
    dry = answers.get("dry")
    match params.tool:
        case Tool.NVMUPDATE:
            result = answers.get("dry_result")
            said = parse.nvm_refuses(dry.out if dry else "", result.out if result is not None and result.ok else "")
            if not said and (dry is None or dry.status in {126, 127}):
                said = f"{params.program} cannot be run"
        case Tool.DEVLINK:
            said = ""
        case Tool.MSTFLINT:
            mine, image = (
                parse.mstflint(answers[k].out if k in answers else "").get("PSID") for k in ("info", "image")
            )
            said = (
                ""
                if mine and mine == image
                else f"an image for PSID {image or 'unknown'}, a card of {mine or 'unknown'}"
            )
            if not said and (dry is None or not dry.ok):
                said = f"the image does not verify: {parse.plain(1, dry.out if dry else '').words}"
    if not said:
        return None
    remedy = "Take the package of the card's vendor: one card whose id is not listed is not flashed."
    return Reason(f"dry run on {params.interface}", said, "an image that fits the card", remedy)


def flash(params: FirmwareParams, card: Card, mac: str, job: Job) -> list[str]:
    match params.tool:
        case Tool.NVMUPDATE:
            files = ["-l", job.file("log"), "-o", job.file("xml"), "-b", "-c", params.config]
            return [params.program, "-u", *files, "-m", mac]
        case Tool.DEVLINK:
            return ["devlink", "dev", "flash", f"pci/{card.bus}", "file", params.file]
        case Tool.MSTFLINT:
            return ["mstflint", "-d", card.bus, "-i", params.file, "-y", "b"]


def reset(params: FirmwareParams, card: Card) -> list[str] | None:
    """What has the card itself start its new firmware, without a restart of the machine; None: nothing does."""
    match params.tool:
        case Tool.NVMUPDATE:
            return None
        case Tool.DEVLINK:
            return ["devlink", "dev", "reload", f"pci/{card.bus}", "action", "fw_activate"]
        case Tool.MSTFLINT:
            return ["mstfwreset", "-d", card.bus, "-y", "r"]


def result(session: Session, params: FirmwareParams, seen: Progress, job: Job) -> Flashed:
    """What came of a flash that has ended, by the tool's own words."""
    status = seen.status if seen.status is not None else -1
    if params.tool is not Tool.NVMUPDATE:
        return parse.plain(status, seen.out)
    written = session.run(["cat", job.file("xml")], root=True)
    return parse.nvmupdate(status, seen.out, written.out if written.ok else "")
