"""Asks a device that came back what its kernel said when it died: pstore, crash dumps, the journal of that boot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fleet.core.model import Json
from playbooks import panic
from playbooks.base import Session
from playbooks.panic import Panic

# Reads only. pstore is what the machine itself kept; systemd-pstore moves it away; kdump writes its own. The clock of
# the device is printed with it: what is older than the change is not ours.
SCRIPT = """\
echo "@@ $(date +%s) now"
for f in "$1"/sys/fs/pstore/dmesg-* "$1"/var/lib/systemd/pstore/dmesg* "$1"/var/lib/systemd/pstore/*/dmesg* \
"$1"/var/crash/*/dmesg*; do
[ -f "$f" ] || continue; echo "
@@ $(stat -c %Y "$f") $f"; head -c 65536 "$f"; done
echo "
@@ 0 journal"
journalctl -b -1 -k -n 400 -o short-monotonic --no-pager -q 2>/dev/null | tail -c 65536
"""
ARGV = ["/bin/sh", "-c", SCRIPT, "slipway-last-words", ""]
_MOST_FILES = 40


@dataclass(frozen=True)
class LastWords:
    """A panic, where its text was found, and when it was written by the device's clock (0: not said)."""

    panic: Panic
    source: str
    at: int = 0

    def data(self) -> dict[str, Json]:
        return {**self.panic.data(), "source": self.source, "at": self.at}


def gather(session: Session, *, within_s: float) -> LastWords | None:
    """The newest panic of the last `within_s` seconds; None where the device tells of none. Raises as the session."""
    answer = session.batch({"last_words": ARGV}, timeout_s=30.0, root=True).get("last_words")
    return read(answer.out, within_s=within_s) if answer is not None else None


def read(listing: str, *, within_s: float) -> LastWords | None:
    """What the script printed. Files that are older do not count; the journal, which says no time, counts last."""
    rows = list(panic.texts(listing))[:_MOST_FILES]
    now = next((when for when, path, _ in rows if path == "now"), None)
    groups: dict[str, list[tuple[int, str]]] = {}
    for when, path, text in rows:
        if path not in {"now", "journal"} and (now is None or now - when <= within_s):
            groups.setdefault(_where(path), []).append((when, text))
    found = []
    for where, records in groups.items():
        said = panic.read(panic.joined([text for _, text in records]))
        if said is not None:
            found.append(LastWords(said, where, max(when for when, _ in records)))
    if found:
        return max(found, key=lambda one: (one.panic.headline.startswith("Kernel panic"), one.at))
    journal = next((text for _, path, text in rows if path == "journal"), "")
    said = panic.read(journal)
    return LastWords(said, "journal of the boot before") if said is not None else None


def _where(path: str) -> str:
    return "crash dump" if "/var/crash/" in path else "pstore"


def with_console(words: LastWords | None, console: str) -> LastWords | None:
    """The same, or what a serial console showed where the device itself kept nothing."""
    if words is not None:
        return words
    said = panic.read(console)
    return LastWords(said, "serial console") if said is not None else None


def of_data(value: Json) -> LastWords | None:
    """What `data` wrote; None for anything else."""
    said = panic.of_data(value)
    if said is None or not isinstance(value, Mapping):
        return None
    at = value.get("at")
    return LastWords(replace(said), str(value.get("source") or ""), at if isinstance(at, int) else 0)
