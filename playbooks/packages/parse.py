"""What dpkg, apt and systemd say. Pure; no text makes it raise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,80}")
_INST = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+)", re.MULTILINE)
_REMV = re.compile(r"^(?:Remv|Purg) (\S+) \[(\S+)\]", re.MULTILINE)


def installed(text: str) -> Mapping[str, str]:
    """`dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'`: name > version of what is wholly installed."""
    rows = (line.split() for line in text.splitlines())
    return {r[0]: r[1] for r in rows if len(r) >= 3 and _NAME.fullmatch(r[0]) and r[2].startswith(("ii", "hi"))}


@dataclass(frozen=True)
class Simulated:
    """What `apt-get -s install` would do: name > (version before, "" for none; version after, "" for removed)."""

    changes: Mapping[str, tuple[str, str]]


def simulated(text: str) -> Simulated:
    made = {name: (before, after) for name, before, after in _INST.findall(text)}
    made |= {name: (before, "") for name, before in _REMV.findall(text)}
    return Simulated({name.partition(":")[0]: pair for name, pair in made.items()})


def held(text: str) -> frozenset[str]:
    """`apt-mark showhold`."""
    return frozenset(line.strip() for line in text.splitlines() if _NAME.fullmatch(line.strip()))


@dataclass(frozen=True)
class Unit:
    """A service as systemd counts it: `invocation` is new with every start that was asked for."""

    active: str
    invocation: str
    restarts: int

    def since(self, invocation: str, restarts: int) -> int:
        """How often it was started since: by somebody (another invocation: once at least), and by itself."""
        again = int(self.invocation != invocation)
        return again + (self.restarts if again else max(0, self.restarts - restarts))


def unit(text: str) -> Unit | None:
    """`systemctl show -p ActiveState,InvocationID,NRestarts`; None where there is no such unit."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    count, invocation = values.get("NRestarts", ""), values.get("InvocationID", "").strip()
    if not invocation:
        return None
    restarts = int(count) if count.isdecimal() and len(count) < 9 else 0
    return Unit(values.get("ActiveState", "").strip(), invocation[:64], restarts)
