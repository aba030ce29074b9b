"""Verifies a bundle of evidence without Slipway: written anew from docs/client.md, so that two have to agree."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "slipway-evidence/1"
MOST_UNPACKED = 512 * 1024 * 1024
MOST_OF_A_LINE = 1024 * 1024
# What a file from anywhere may raise while it is read.
_NO_BUNDLE = (
    zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, RuntimeError, NotImplementedError,
)  # fmt: skip
_SAID = ("id", "change", "target", "step", "at", "actor", "kind", "text", "data")


@dataclass(frozen=True)
class Found:
    """What a look found. `wrong`: sentences; none: it is as it was written."""

    change: int | None
    events: int
    withheld: int
    head: str
    wrong: tuple[str, ...]


def look(path: Path) -> Found:
    """Every file's digest, the chain, the plan's digest. Raises OSError only."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _look(archive)
    except _NO_BUNDLE as error:
        found = type(error).__name__
        return Found(None, 0, 0, "", (f"{path.name}: found {found}, wanted a bundle that Slipway wrote.",))


def _look(archive: zipfile.ZipFile) -> Found:
    size = sum(info.file_size for info in archive.infolist())
    if size > MOST_UNPACKED:
        return Found(None, 0, 0, "", (f"bundle: found {size} bytes unpacked, wanted at most {MOST_UNPACKED}.",))
    names = {info.filename.partition("/")[2]: info.filename for info in archive.infolist()}
    manifest = json.loads(archive.read(names["manifest.json"]))
    if manifest["format"] != FORMAT:
        return Found(None, 0, 0, "", (f"format: found {manifest['format']!r}, wanted {FORMAT}. Use a newer client.",))
    wrong = []
    listed: dict[str, Any] = manifest["files"]
    for name in sorted((set(names) | set(listed)) - {"manifest.json"}):
        if name not in names or name not in listed:
            wrong.append(f"{name}: found {'it' if name in names else 'nothing'}, wanted the files of the manifest.")
        elif _digest(archive, names[name]) != listed[name]["sha256"]:
            wrong.append(f"{name}: found another content, wanted that of the manifest.")
    events, withheld, head, broken = _chain(archive, names["events.jsonl"])
    wrong += broken
    said = manifest["events"]
    if not broken and (events, head) != (said["links"], said["hash"]):
        wrong.append(f"events: found {events} with head {head[:12]}, wanted {said['links']} with {said['hash'][:12]}.")
    taken_out = any(str(note).startswith("secrets were taken out of plan.json") for note in manifest["left_out"])
    if manifest["plan_digest"] is not None and not taken_out:
        plan = json.loads(archive.read(names["plan.json"]))
        text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if hashlib.sha256(text.encode()).hexdigest() != manifest["plan_digest"]:
            wrong.append("plan.json: found another digest, wanted that which was approved.")
    return Found(int(manifest["change"]), events, withheld, head, tuple(wrong))


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as file:
        while piece := file.read(1 << 16):
            digest.update(piece)
    return digest.hexdigest()


def _chain(archive: zipfile.ZipFile, name: str) -> tuple[int, int, str, list[str]]:
    """Events, how many without their words, the last hash, and the first link that does not hold."""
    count, withheld, previous = 0, 0, ""
    with archive.open(name) as file:
        while line := file.readline(MOST_OF_A_LINE):
            event = json.loads(line)
            count += 1
            if event.get("withheld") is True:
                withheld += 1
                wanted = str(event["hash"])
            else:
                said = {"previous": previous} | {key: event[key] for key in _SAID}
                text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
                wanted = hashlib.sha256(text.encode()).hexdigest()
            if event["hash"] != wanted or event["number"] != count:
                return count - 1, withheld, previous, [f"event {event['id']}: found a broken link, wanted the chain."]
            previous = wanted
    return count, withheld, previous, []
