"""What vppctl prints, as values. Pure; no text makes it raise. None means: cannot tell.

Recordings: VPP 24.06 (tests/playbooks/recordings/vpp-24.06); texts of older releases from VPP's sources.
"""

import re
from typing import Any

from fleet.core.vpp import canonical
from playbooks.vpp_counters import interfaces as interfaces

# `vppctl` prints these and exits 0: what is not expected is an error, and these name it.
_ERRORS = re.compile(
    r"unknown input|unknown interface|expected |failed|error|conflicts with|not found|invalid|already|no such|-\d+\)",
    re.I,
)
_PAIR = re.compile(r"^itf-pair: \[\d+\] (\S+) (\S+) (\S+) \d+ type \w+(?: netns (\S+))?\s*$", re.MULTILINE)
_FIB_HEAD = re.compile(r"^ipv[46]-VRF:(\d+), fib_index:\d+,", re.MULTILINE)
_ERROR_ROW = re.compile(r"^\s*(\d+)\s+(\S+)\s{2,}(.+?)(?:\s{2,}(\w+))?\s*$")
_THREAD = re.compile(r"^Thread (\d+) (\S+)", re.MULTILINE)
_LACP_IF = re.compile(r"^(\S+)\s+\d+\s+\S+\s+(?:\d\s+){8,}", re.MULTILINE)
_NONE = "no-such-thing"


def version(text: str) -> str | None:
    """`show version`: 24.06-release."""
    found = re.search(r"^vpp v(\S{1,64}) built by", text, re.MULTILINE)
    return found[1] if found else None


def complaint(text: str, expected: str = "") -> str | None:
    """What VPP said against a command, shortened; None when it said what is expected of it.

    Success is silence, or the name of what was created: the exit status is 0 in any case (vpp-24.06/cli_*.txt).
    """
    said = " ".join(text.split())
    return None if said == expected.strip() else said[:200] or f"nothing, wanted {expected}"


def is_error(text: str) -> bool:
    """Does a text sound like one of VPP's errors? For what may print something either way."""
    return bool(_ERRORS.search(text))


def expected(command: str) -> str:
    """What VPP prints when it carries out a command of vppcfg: the name of what it created, else nothing."""
    words = command.split()
    match words:
        case ["create", "loopback", "interface", "instance", number, *_]:
            return f"loop{number}"
        case ["create", "bond", "id", number, *_]:
            return f"BondEthernet{number}"
        case ["create", "sub", above, number, *_]:
            return f"{above}.{number}"
        case ["create", "host-interface", "name", name, *_]:
            return f"host-{name}"
        case ["create", "tap", "id", number, *_]:
            return f"tap{number}"
        case ["create", "vxlan", "tunnel", *rest] if "instance" in rest:
            return f"vxlan_tunnel{rest[rest.index('instance') + 1]}"
        case _:
            return ""


def lcp(text: str) -> dict[str, tuple[str, str]] | None:
    """`show lcp`: interface of VPP > (name in Linux, namespace). Broken pairs are left out: they are missing."""
    if "itf-pair" not in text and "lcp " not in text:
        return None
    return {
        name: (host, netns or "")
        for name, _, host, netns in _PAIR.findall(text)
        if "<no-" not in name and "<no-" not in host
    }


def addresses(text: str) -> dict[str, list[str]] | None:
    """`show interface address`: name > addresses, canonical."""
    made: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        head = re.match(r"^(\S+) \((?:up|dn)\):$", line)
        row = re.match(r"^\s+L3 (\S+/\d+)", line)
        if head is not None:
            name = head[1]
            made[name] = []
        elif row is not None and name and (spelled := canonical(row[1])) is not None:
            made[name].append(spelled)
    return made or None


def bond_details(text: str) -> dict[str, tuple[int, int]] | None:
    """`show bond details`: name > (active members, members). Older releases say slaves."""
    made: dict[str, list[int]] = {}
    name = ""
    for line in text.splitlines():
        if re.match(r"^\S+$", line):
            name = line.strip()
            made[name] = [0, 0]
        elif name and (found := re.match(r"^\s+number of (active )?(?:members|slaves): (\d+)", line)) is not None:
            made[name][0 if found[1] else 1] = int(found[2])
    return {name: (active, members) for name, (active, members) in made.items()}


def lacp(text: str) -> dict[str, dict[str, Any]]:
    """`show lacp`: member > mux state, and the partner's system."""
    made: dict[str, dict[str, Any]] = {}
    for part in re.split(r"(?m)^(?=\S+\s+\d+\s+\S+\s+\d\s)", text):
        head = re.match(r"^(\S+)\s+\d+\s+\S+\s+\d\s", part)
        mux = re.search(r"MUX-state: (\w+)", part)
        lag = re.search(r"LAG ID: \[\(([^)]*)\), \(([^)]*)\)", part)
        if head is not None:
            partner = lag[2].split(",") if lag is not None else []
            made[head[1]] = {"mux": mux[1] if mux else "", "partner": partner[1] if len(partner) > 1 else ""}
    return made


def fib_total(text: str, *, table: int = 0) -> int | None:
    """`show ip[6] fib summary`: all prefixes of one table, whichever way they are sorted."""
    parts = _FIB_HEAD.split(text)
    for number, body in zip(parts[1::2], parts[2::2], strict=False):
        if int(number) == table:
            rows = re.findall(r"^\s+(\d{1,3})\s+(\d+)\s*$", body, re.MULTILINE)
            return sum(int(count) for _, count in rows)
    return None


def errors(text: str) -> dict[str, int] | None:
    """`show errors`: "NODE REASON" > count, threads added up."""
    if "Reason" not in text and text.strip():
        return None
    made: dict[str, int] = {}
    for line in text.splitlines():
        if (row := _ERROR_ROW.match(line)) is not None:
            key = f"{row[2]} {row[3].strip()}"
            made[key] = made.get(key, 0) + int(row[1])
    return made


def runtime(text: str) -> dict[str, float] | None:
    """`show runtime`: thread > most packets a vector among its nodes that work. Without the main thread's own."""
    parts = _THREAD.split(text)
    bodies = {parts[n + 1]: parts[n + 2] for n in range(1, len(parts) - 2, 3)} or (
        {"vpp_main": text} if "Vectors/Call" in text else {}
    )
    made: dict[str, float] = {}
    for name, body in bodies.items():
        rates = [
            float(words[-1])
            for line in body.splitlines()
            if (words := line.split())
            and len(words) >= 7
            and ("active" in words or "polling" in words)
            and re.fullmatch(r"\d+(\.\d+)?", words[-1])
        ]
        made[name] = max(rates, default=0.0)
    return made or None
