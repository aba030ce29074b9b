"""Files of a router that its boot reads: sysctl.d, what unit files start, what .link files set. Pure."""

import re
import shlex
from collections.abc import Mapping

LINKS = "/etc/systemd/network/"
DEFAULT_LINK = "[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel database onboard slot path\n"
DEFAULT_LINK += "AlternativeNamesPolicy=database onboard slot path\nMACAddressPolicy=persistent\n"
# Of systemd.link(5): what ethtool would be told instead.
_SETS = {
    "CombinedChannels": ("-L", "combined"), "RxChannels": ("-L", "rx"), "TxChannels": ("-L", "tx"),
    "RxBufferSize": ("-G", "rx"), "TxBufferSize": ("-G", "tx"),
    "RxCoalesceSec": ("-C", "rx-usecs"), "TxCoalesceSec": ("-C", "tx-usecs"),
    "UseAdaptiveRxCoalesce": ("-C", "adaptive-rx"), "UseAdaptiveTxCoalesce": ("-C", "adaptive-tx"),
    "GenericReceiveOffload": ("-K", "gro"), "LargeReceiveOffload": ("-K", "lro"), "NTupleFilter": ("-K", "ntuple"),
    "GenericSegmentationOffload": ("-K", "gso"),
}  # fmt: skip


def parse_sysctl(text: str) -> dict[str, str]:
    """key = value lines of a sysctl.d file."""
    pairs = (
        line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith(("#", ";"))
    )
    return {key.strip().lstrip("-").replace("/", "."): value.strip() for key, value in pairs}


def exec_start(unit: str) -> list[list[str]]:
    """The commands that a unit file starts as argument lists; none of a unit that is for some boots only."""
    always = "\nConditionKernelCommandLine=" not in unit
    rows = [row.strip().partition("=") for row in unit.splitlines()] if always else []
    lines = [line for name, _, line in rows if name in {"ExecStart", "ExecStartPost"} and line]
    return [shlex.split(line.lstrip("-@+!")) for line in lines]


def link_start(files: Mapping[str, str], macs: Mapping[str, str]) -> list[list[str]]:
    """What systemd-udevd sets when it finds the cards: of the first .link file that matches each. `macs`: of each."""
    made: list[list[str]] = []
    texts = [files[path] for path in sorted(files) if path.startswith(LINKS) and path.endswith(".link")]
    for name, mac in macs.items():
        mine = next((text for text in texts if f"\nPermanentMACAddress={mac}\n" in text), "")
        for key, value in re.findall(r"^([A-Za-z]+)=(.+)$", mine.partition("[Link]")[2], re.M):
            if key in _SETS:
                option, word = _SETS[key]
                plain = {"yes": "on", "no": "off"}.get(value, value.removesuffix("us"))
                made.append(["ethtool", option, name, word, plain])
    return made
