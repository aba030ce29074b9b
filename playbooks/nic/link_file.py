"""What of a card systemd-udevd can set by itself, in a .link file: at every boot and when its driver comes back. Pure.

Of all .link files that match a card only the first counts (systemd.link(5)). Slipway's takes the place of systemd's own
99-default.link and says what that says; where an operator's file or drop-in is in force, the unit does it all.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FOLDER = "/etc/systemd/network"
# Channels came with systemd 239, rings with 244, coalescing and VLAN offloads with 250. The names are those of the
# program of Debian 12 (252); a key that it does not know, udevd leaves out with a warning.
LEAST_VERSION = 250
_DEFAULT = "99-default.link"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_VERSION = re.compile(r"^systemd (\d{2,4})\b", re.M)

_AMOUNTS = {
    "-L": {"rx": "RxChannels", "tx": "TxChannels", "combined": "CombinedChannels"},
    "-G": {"rx": "RxBufferSize", "tx": "TxBufferSize"},
}
# tso and ufo of ethtool are several features of the kernel, of which .link has keys for some: they stay in the unit.
_OFFLOADS = {
    "rx": "ReceiveChecksumOffload", "tx": "TransmitChecksumOffload", "gso": "GenericSegmentationOffload",
    "gro": "GenericReceiveOffload", "lro": "LargeReceiveOffload", "ntuple": "NTupleFilter",
    "rxvlan": "ReceiveVLANCTAGHardwareAcceleration", "txvlan": "TransmitVLANCTAGHardwareAcceleration",
    "rx-gro-hw": "GenericReceiveOffloadHardware", "rx-vlan-filter": "ReceiveVLANCTAGFilter",
}  # fmt: skip
_COALESCE = {
    "adaptive-rx": "UseAdaptiveRxCoalesce", "adaptive-tx": "UseAdaptiveTxCoalesce",
    "pkt-rate-low": "CoalescePacketRateLow", "pkt-rate-high": "CoalescePacketRateHigh",
    **{
        f"{way}-usecs{suffix}": f"{way.capitalize()}Coalesce{word}Sec"
        for way in ("rx", "tx")
        for suffix, word in (("", ""), ("-irq", "Irq"), ("-low", "Low"), ("-high", "High"))
    },
    **{
        f"{way}-frames{suffix}": f"{way.capitalize()}MaxCoalesced{word}Frames"
        for way in ("rx", "tx")
        for suffix, word in (("", ""), ("-irq", "Irq"), ("-low", "Low"), ("-high", "High"))
    },
    "stats-block-usecs": "StatisticsBlockCoalesceSec",
}  # fmt: skip
KEYS = frozenset({*_AMOUNTS["-L"].values(), *_AMOUNTS["-G"].values(), *_OFFLOADS.values(), *_COALESCE.values()})


def lines_of(argv: Sequence[str]) -> Mapping[str, str] | None:
    """`ethtool -G eth1 rx 4096` as keys of a .link file; None: a .link file cannot say it."""
    if argv[:1] != ["ethtool"] and argv[:1] != ("ethtool",):
        return None
    option, pairs = argv[1], dict(zip(argv[3::2], argv[4::2], strict=False))
    names = {"-L": _AMOUNTS["-L"], "-G": _AMOUNTS["-G"], "-K": _OFFLOADS, "-C": _COALESCE}.get(option, {})
    made = {}
    for name, value in pairs.items():
        key = names.get(name)
        # 0 switches a timer off; .link takes times and counts from 1 on.
        if key is None or value == "0":
            return None
        made[key] = {"on": "yes", "off": "no"}.get(value, value) + ("us" if key.endswith("Sec") else "")
    return made or None


@dataclass(frozen=True)
class Governed:
    """What decides over a card's .link settings: `base`: lines of [Link] that Slipway's file repeats; `mine`: the keys
    that an earlier change of ours has set; `why`: it must be the unit, because."""

    interface: str
    mac: str = ""
    driver: str = ""
    base: tuple[str, ...] = ()
    mine: Mapping[str, str] | None = None
    text: str | None = None  # of our file as it is; None: there is none
    why: str = ""

    @property
    def path(self) -> str:
        return f"{FOLDER}/10-slipway-{self.interface}.link"


def governed(interface: str, said: str) -> Governed:
    """From the answer of the script `nic-link`."""
    fields = dict(re.findall(r"^(driver|mac|file|dropins|udevd) ?(.*)$", said.partition("\n@ ")[0], re.M))
    parts = dict(re.findall(r"^@ (base|own)\n(.*?)(?=^@ |\Z)", said, re.M | re.S))
    own = parts.get("own", "").rstrip("\n")
    version = _VERSION.search(said.partition("\n@ ")[0])
    one = Governed(interface, fields.get("mac", "").lower(), fields.get("driver", ""), text=own + "\n" if own else None)
    governing = fields.get("file", "").rpartition("/")[2]
    why = ""
    if not _NAME.fullmatch(interface) or not _MAC.fullmatch(one.mac) or one.mac == "00:00:00:00:00:00":
        why = "it has no permanent address to be known by"
    elif version is None or int(version[1]) < LEAST_VERSION:
        why = f"systemd is not there, or older than {LEAST_VERSION}"
    elif fields.get("udevd") != "active":
        why = "systemd-udevd does not run"
    elif governing not in (_DEFAULT, one.path.rpartition("/")[2]):
        why = f"{governing or 'no .link file that is known'} is in force for it"
    elif fields.get("dropins"):
        why = "drop-ins are in force for it"
    if why:
        return Governed(interface, one.mac, one.driver, text=one.text, why=why)
    listed = _link_lines(own if governing != _DEFAULT and own else parts.get("base", ""))
    base = tuple(f"{k}={v}" for k, v in listed if k not in KEYS)
    mine = {k: v for k, v in _link_lines(own) if k in KEYS}
    return Governed(interface, one.mac, one.driver, base, mine, one.text)


def _link_lines(text: str) -> list[tuple[str, str]]:
    """Keys and values of [Link]; comments and what is no such line are left out."""
    section, made = "", []
    for line in text.splitlines()[:200]:
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Link]" and (found := re.fullmatch(r"([A-Za-z0-9]{1,60})=([^\0]{0,300})", line)):
            made.append((found[1], found[2]))
    return made


def text(one: Governed, wanted: Iterable[Sequence[str]]) -> str | None:
    """The file that says what of these commands it can, beside what it says already; None: nothing, or it must not."""
    if one.why:
        return None
    keys: dict[str, str] = dict(one.mine or {})
    for argv in wanted:
        keys |= lines_of(argv) or {}
    if not keys:
        return None
    driver = f"Driver={one.driver}\n" if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", one.driver) else ""
    settings = "".join(f"{key}={keys[key]}\n" for key in sorted(keys))
    return (
        "# Written by Slipway: set by systemd-udevd. What a .link file cannot hold is in slipway-nic.service.\n"
        f"[Match]\nPermanentMACAddress={one.mac}\n{driver}\n[Link]\n" + "".join(f"{b}\n" for b in one.base) + settings
    )


def held(one: Governed, argv: Sequence[str]) -> bool:
    """Is this command said by the .link file, and needed in no unit?"""
    return not one.why and lines_of(argv) is not None
