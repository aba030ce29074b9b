"""Verifies a bundle of evidence from the file alone: every file's digest, the hash chain, the plan's digest.

Files come from anywhere: sizes are bounded before anything is unpacked, and nothing is written.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from fleet.core import plan as planning
from fleet.core.model import Json, Reason
from fleet.core.seal import FIELDS, link_hash

FORMATS = ("slipway-evidence/1",)
# Larger than any that Slipway writes: 250,000 events of 300 bytes and 32 MiB of measurements are 110 MB.
MOST_UNPACKED = 512 * 1024 * 1024
MOST_OF_A_LINE = 1024 * 1024
_REMEDY = "Fetch the bundle again; if that does not help, somebody altered it: compare with the database."


@dataclass(frozen=True)
class Checked:
    """What holds. `withheld`: events whose words were taken out, so that only their place in the chain is known."""

    change: int
    files: int
    links: int
    withheld: int
    head: str
    broken: tuple[Reason, ...] = ()


class _Broken(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def check(file: IO[bytes]) -> Checked | tuple[Reason, ...]:
    """Everything that is wrong with a bundle, in `Checked.broken`; what is no bundle at all is only reasons."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _check(archive)
    except _Broken as error:
        return (error.reason,)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError) as error:
        found = f"cannot be read: {type(error).__name__} {str(error)[:100]}"
        return (Reason("bundle", found, "a zip that Slipway wrote", _REMEDY),)


def _check(archive: zipfile.ZipFile) -> Checked:
    entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if (size := sum(info.file_size for info in entries.values())) > MOST_UNPACKED:
        raise _Broken(Reason("bundle", f"{size} bytes unpacked", f"at most {MOST_UNPACKED}", "Slipway writes no such."))
    if "manifest.json" not in entries:
        raise _Broken(Reason("bundle", "no manifest.json", "a zip that Slipway wrote", _REMEDY))
    manifest = json.loads(archive.read(entries["manifest.json"]))
    if manifest["format"] not in FORMATS:
        raise _Broken(Reason("format", str(manifest["format"])[:40], " or ".join(FORMATS), "Use a newer Slipway."))
    broken = [*_files(archive, entries, manifest["files"])]
    links, withheld, head = 0, 0, ""
    try:
        for links, withheld, head in _chain(archive, entries):  # noqa: B007  # the last of them counts
            pass
    except _Broken as error:
        broken.append(error.reason)
    else:
        said = manifest["events"]
        if (links, head) != (said["links"], said["hash"]):
            found = f"{links} links, head {head[:12] or 'none'}"
            broken.append(Reason("chain", found, f"{said['links']} links, head {said['hash'][:12]}", _REMEDY))
    broken += _plan(archive, entries, manifest)
    return Checked(int(manifest["change"]), len(entries), links, withheld, head, tuple(broken))


def _files(
    archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], wanted: Mapping[str, Any]
) -> Iterator[Reason]:
    for name in sorted(set(entries) | set(wanted) | {"manifest.json"}):
        if name == "manifest.json":
            continue
        if name not in entries or name not in wanted:
            found = "there, but not in the manifest" if name in entries else "missing"
            yield Reason(name[:60], found, "the files of the manifest", _REMEDY)
            continue
        digest = hashlib.sha256()
        with archive.open(entries[name]) as file:
            while chunk := file.read(1 << 16):
                digest.update(chunk)
        if digest.hexdigest() != wanted[name]["sha256"]:
            expected = str(wanted[name]["sha256"])[:12]
            yield Reason(name, f"SHA-256 {digest.hexdigest()[:12]}", f"{expected} as the manifest says", _REMEDY)


def _chain(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> Iterator[tuple[int, int, str]]:
    """(links so far, withheld so far, hash) for each event whose link holds."""
    previous, count, withheld = "", 0, 0
    with archive.open(entries["events.jsonl"]) as file:
        while line := file.readline(MOST_OF_A_LINE):
            said: dict[str, Json] = json.loads(line)
            count += 1
            if said.get("withheld") is True:
                withheld += 1
                expected = str(said["hash"])
            else:
                expected = link_hash(previous, {name: said[name] for name in FIELDS})
            if said["number"] != count or said["hash"] != expected:
                found = f"link {said['number']} with hash {str(said['hash'])[:12]}"
                raise _Broken(Reason(f"event {said['id']}", found, f"link {count} with hash {expected[:12]}", _REMEDY))
            previous = expected
            yield count, withheld, previous


def _plan(
    archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], manifest: Mapping[str, Any]
) -> Iterator[Reason]:
    """The plan's digest, unless secrets were taken out of it."""
    wanted = manifest["plan_digest"]
    if wanted is None or any(
        str(note).startswith("secrets were taken out of plan.json") for note in manifest["left_out"]
    ):
        return
    found = planning.digest(json.loads(archive.read(entries["plan.json"])))
    if found != wanted:
        yield Reason("plan.json", f"digest {found[:12]}", f"{str(wanted)[:12]}, which was approved", _REMEDY)
