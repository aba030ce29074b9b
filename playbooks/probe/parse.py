"""Answers of ping, mtr, ip and the routing daemons, read with suspicion: what cannot be read is None. Pure."""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence

from fleet.core.model import Json
from fleet.core.probe_paths import SILENT, Heard
from fleet.core.probes import Times, counted

_REPLY = re.compile(
    r"^\d+ bytes from ([0-9a-fA-F.:]+)(?:%\w+)?: icmp_seq=(\d{1,6}) .*?time=(\d{1,7}(?:\.\d+)?) ms", re.M
)
_SENT = re.compile(r"^(\d{1,6}) packets transmitted, ", re.M)
_GONE = re.compile(
    r"^From ([0-9a-fA-F.:]+)(?:%\w+)?:? icmp_seq=\d+ (?:Time to live exceeded|Time exceeded: Hop limit)", re.M
)
_MTR_SENT = re.compile(r"^mtr (\d{1,6})$", re.M)
_MTR_TRIED = re.compile(r"^x \d{1,3} \d{1,9}$", re.M)
_MTR_HOST = re.compile(r"^h (\d{1,3}) ([0-9a-fA-F.:]+)$", re.M)
_MTR_TIME = re.compile(r"^p (\d{1,3}) (\d{1,9})(?: (\d{1,9}))?$", re.M)
_HOP = re.compile(r"^hop (\d)$", re.M)
_DUTY = re.compile(r"^@ (probe|trace) ([0-9a-fA-F.:]+)$", re.M)


def sections(text: str) -> dict[tuple[str, str], str]:
    """(probe or trace, address) > what was answered."""
    found = list(_DUTY.finditer(text))
    ends = [*(m.start() for m in found[1:]), len(text)] if found else []
    return {(m[1], m[2]): text[m.end() : end] for m, end in zip(found, ends, strict=True)}


def times(text: str, address: str) -> Times | None:
    """Of ping, or of mtr's raw lines, to this address. None: it did not come to an end, or there is neither."""
    if (sent := _SENT.search(text)) is not None:
        first: dict[int, float] = {}
        for reply in _REPLY.finditer(text):
            first.setdefault(int(reply[2]), float(reply[3]))  # duplicates are no second answer
        return counted(int(sent[1]), [first[n] for n in sorted(first)])
    if (told := _MTR_SENT.search(text)) is not None and _MTR_TRIED.search(text):
        # In its first round mtr asks beyond the end of the way, and the end answers there, too: its first hop counts.
        mine = [int(m[1]) for m in _MTR_HOST.finditer(text) if _plain(m[2]) == _plain(address)]
        rows = [float(m[2]) / 1000 for m in _MTR_TIME.finditer(text) if mine and int(m[1]) == min(mine)]
        return counted(int(told[1]), rows)
    return None


def hops(text: str, address: str) -> tuple[str, ...] | None:
    """The addresses on the way up to this one, SILENT for a hop that does not answer. None: it was not reached."""
    listed = _mtr_hops(text) if "{" in text else _ping_hops(text)
    wanted = _plain(address)
    if listed is None or wanted not in listed:
        return None
    return tuple(listed[: listed.index(wanted) + 1])


def _ping_hops(text: str) -> list[str] | None:
    parts = _HOP.split(text)[1:]
    made = []
    for said in parts[1::2]:
        found = _GONE.search(said) or _REPLY.search(said)
        made.append(_plain(found[1]) if found else SILENT)
    return made or None


def _mtr_hops(text: str) -> list[str] | None:
    try:
        report = json.loads(text[text.index("{") :])
        hubs = report["report"]["hubs"]
        return [SILENT if str(h["host"]) == "???" else _plain(str(h["host"])) for h in hubs]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _plain(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return SILENT


def addresses(text: str) -> list[tuple[str, str]] | None:
    """(interface, address) of `ip -j addr show` that may be used from afar; those of lo first. None: unreadable."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return None
    made: list[tuple[str, str]] = []
    for row in rows if isinstance(rows, list) else []:
        listed = row.get("addr_info") if isinstance(row, Mapping) else None
        for one in listed if isinstance(listed, list) else []:
            local = _plain(str(one.get("local", ""))) if isinstance(one, Mapping) else SILENT
            if local != SILENT and not _is_near(local):
                made.append((str(row.get("ifname", "")), local))
    return sorted(made, key=lambda pair: pair[0] != "lo")


def _is_near(address: str) -> bool:
    """Loopback and link-local addresses lead nowhere."""
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_link_local or found.is_unspecified


_OWN = frozenset({"connected", "static", "local", "kernel"})


def heard_frr(router: str, rib: str, bgp: str) -> Heard:
    """`show ip route P json` and `show bgp FAMILY unicast P json`. A daemon that does not run knows nothing of it."""
    rows = _loaded(rib)
    if not isinstance(rows, Mapping):
        return Heard(router, None)
    routes = [r for listed in rows.values() if isinstance(listed, list) for r in listed if isinstance(r, Mapping)]
    own = any(r.get("protocol") in _OWN for r in routes)
    return Heard(router, bool(routes), own, tuple(sorted(set(_origins(_loaded(bgp))))))


def _origins(answer: Json) -> list[str]:
    made = []
    paths = answer.get("paths") if isinstance(answer, Mapping) else None
    for path in paths if isinstance(paths, list) else []:
        peer = path.get("peer") if isinstance(path, Mapping) else None
        if not isinstance(peer, Mapping) or path.get("sourced") or path.get("local"):
            continue
        aspath = path.get("aspath")
        outside = aspath.get("string") if isinstance(aspath, Mapping) else ""
        if peer.get("type") == "external" or (outside and outside != "Local"):
            made.append(f"AS {str(outside)[:40]}")
        else:
            made.append(str(path.get("originatorId") or peer.get("routerId") or "")[:40])
    return [origin for origin in made if origin.strip("0.")]


def _loaded(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_TYPE = re.compile(r"^\s+Type: (\w+)", re.M)
_AS_PATH = re.compile(r"^\s+BGP\.as_path:[ \t]*(\S.*)$", re.M)
_ORIGINATOR = re.compile(r"^\s+BGP\.originator_id: (\S+)$", re.M)


def heard_bird(router: str, rib: str) -> Heard:
    """`birdc show route P all`. Text that is neither routes nor "Network not found" is not an answer."""
    if "Network not found" in rib:
        return Heard(router, there=False)
    kinds = [m[1].lower() for m in _TYPE.finditer(rib)]
    if not kinds:
        return Heard(router, None)
    outside = [f"AS {m[1].split()[-1][:40]}" for m in _AS_PATH.finditer(rib)]
    own = bool({"device", "static", "inherit"} & set(kinds))
    return Heard(router, there=True, own=own, origins=tuple(sorted({*outside, *_ORIGINATOR.findall(rib)})))


def heard(router: str, suite: str, answers: Mapping[str, str], prefix: str) -> Heard:
    """What a router of either suite said of a prefix."""
    match suite:
        case "frr":
            return heard_frr(router, answers.get(f"rib:{prefix}", ""), answers.get(f"bgp:{prefix}", ""))
        case "bird":
            return heard_bird(router, answers.get(f"rib:{prefix}", ""))
        case _:
            return Heard(router, None)


def of_family(found: Sequence[tuple[str, str]], family: str) -> str | None:
    """The first address of a family; of lo where there is one."""
    return next((a for _, a in found if (":" in a) == (family == "ipv6")), None)
