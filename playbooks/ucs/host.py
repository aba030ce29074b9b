"""What the host on a blade shows: its boot, and the receive queues of the interfaces that its vNICs became."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from playbooks import boot
from playbooks.base import Answer, Session

# eth5-rx-3 (enic), i40e-eth1-TxRx-0: the interface and a receive queue of it.
_VECTOR = re.compile(r"(?:[a-z0-9]+-)?(?P<name>[A-Za-z0-9._]+)-(?:rx|TxRx)-(?P<queue>[0-9]{1,4})$")
_CHANNELS = re.compile(r"^(?:RX|Combined):\s+([0-9]{1,5})$", re.MULTILINE)


@dataclass(frozen=True)
class Host:
    """A host as it answers. `queues`: interface > receive queues that take interrupts or that ethtool shows.

    `cpus`: interface > number of CPUs that its receive queues have counted on.
    """

    boot_id: str | None
    kernel: str
    queues: Mapping[str, int] = field(default_factory=dict)
    cpus: Mapping[str, int] = field(default_factory=dict)
    balanced: bool | None = None  # irqbalance runs


def look(session: Session, macs: Collection[str]) -> Host:
    """One round trip. `macs`: of the vNICs, lower case; interfaces with other addresses are not looked at."""
    answers = session.batch(
        {
            "boot": boot.BOOT_ID, "uname": ["uname", "-r"], "links": ["ip", "-j", "-d", "link", "show"],
            "interrupts": ["cat", "/proc/interrupts"], "irqbalance": ["pgrep", "-x", "irqbalance"],
        },
        per_interface={"channels": ["ethtool", "-l"]},
    )  # fmt: skip

    def out(name: str) -> str:
        answer = answers.get(name)
        return answer.out if answer is not None and answer.ok else ""

    names = interfaces(out("links"), macs)
    vectors = receive_vectors(out("interrupts"))
    queues = {
        name: len(vectors[name]) if name in vectors else _channels(answers.get(f"channels:{name}")) for name in names
    }
    balance = answers.get("irqbalance")
    return Host(
        boot_id=boot.boot_id(out("boot")),
        kernel=out("uname").strip()[:100],
        queues={name: found for name, found in queues.items() if found is not None},
        cpus={name: len({cpu for _, cpu in vectors[name]}) for name in names if name in vectors},
        balanced=None if balance is None or balance.status not in {0, 1} else balance.ok,
    )


def interfaces(links: str, macs: Collection[str]) -> tuple[str, ...]:
    """Names of the interfaces with these addresses, from `ip -j link`; VLANs and bonds above them are left out."""
    try:
        rows = json.loads(links)
    except ValueError:
        return ()
    found = []
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping) or not isinstance(row.get("ifname"), str):
            continue
        stacked = row.get("link") is not None or row.get("linkinfo", {}).get("info_kind") in {"vlan", "bond", "bridge"}
        address = row.get("permaddr") or row.get("address")
        if not stacked and isinstance(address, str) and address.lower() in macs:
            found.append(row["ifname"])
    return tuple(sorted(found))


def receive_vectors(text: str) -> dict[str, list[tuple[int, int]]]:
    """Interface > (receive queue, CPU that has counted most of its interrupts), from /proc/interrupts."""
    lines = text.splitlines()
    columns = len(lines[0].split()) if lines else 0
    found: dict[str, list[tuple[int, int]]] = {}
    for line in lines[1:]:
        words = line.split()
        match = _VECTOR.match(words[-1]) if words else None
        if match is None:
            continue
        counts = [int(word) if word.isascii() and word.isdecimal() else 0 for word in words[1 : columns + 1]]
        busiest = max(range(len(counts)), key=counts.__getitem__, default=0)
        found.setdefault(match["name"], []).append((int(match["queue"]), busiest))
    return found


def _channels(answer: Answer | None) -> int | None:
    """Receive queues by `ethtool -l`; None where the driver does not tell (enic before Linux 6.13)."""
    if answer is None or not answer.ok:
        return None
    current = answer.out.partition("Current hardware settings:")[2]
    counts = [int(number) for number in _CHANNELS.findall(current)]
    return sum(counts) or None
