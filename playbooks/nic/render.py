"""What is sent and written to set cards. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from fleet.core.model import Json
from playbooks.device_templates import render
from playbooks.nic import link_file
from playbooks.nic.cards import Card
from playbooks.nic.settings import CPUS_FILE

UNIT = "slipway-nic.service"
FILE = f"/etc/systemd/system/{UNIT}"
ETHTOOL = "/usr/sbin/ethtool"
_ORDER = ("combined", "rx", "tx")
_WORD = r"[A-Za-z0-9_.:,()-]+"
_LINE = re.compile(
    rf"^ExecStart=-((?:/usr/sbin/ethtool|/bin/sh {re.escape(CPUS_FILE)})(?: (?:{_WORD}|\"[A-Za-z0-9 _.()-]+\"))+)$",
    re.MULTILINE,
)
_NOTE = re.compile(r"^# Mitigation of (\S+) (.*)$", re.MULTILINE)
# The order in which drivers take them (domain notes 3.4).
_RANK = ("-L", "-G", "-X", "-N", "-C", "-K", "--set-priv-flags", "irq", "rps", "xps")


def setting(option: str, interface: str, wanted: Mapping[str, int]) -> list[str]:
    """`ethtool -L eth1 rx 4 tx 4`; `option` is -L (queues) or -G (rings)."""
    words = [word for key in _ORDER if key in wanted for word in (key, str(wanted[key]))]
    return ["ethtool", option, interface, *words]


def commands(one: Card) -> list[list[str]]:
    """What sets a card, in order. A table that was set by hand refuses fewer queues and leaves new ones out: where it
    is to be even, it is given back to the driver before the queues are set."""
    listed = [setting(option, one.name, wanted) for option, wanted in one.wanted.items()]
    tables = any(s.argv[1] == "-X" and "equal" in s.argv for s in one.settings)
    resized = any(r.subject.endswith("queues") for r in one.amounts_different())
    first = [["ethtool", "-X", one.name, "default"]] if tables and resized else []
    return [*first, *listed, *(list(s.argv) for s in one.settings)]


def back(name: str, options: Mapping[str, Mapping[str, int]], held: Sequence[Mapping[str, Json]]) -> list[list[str]]:
    """What puts a card back as it was."""
    backs = [[str(word) for word in row["back"]] for row in held if row["found"] is not None]
    tables = any(argv[1] == "-X" and "hkey" not in argv for argv in backs)
    first = [["ethtool", "-X", name, "default"]] if tables and "-L" in options else []
    return [*first, *(setting(option, name, values) for option, values in options.items()), *backs]


Key = tuple[int, str, str]  # rank, interface, and what is set where there may be several


def persistent(one: Card) -> list[list[str]]:
    """What is set of a card at every boot."""
    return [*(setting(o, one.name, w) for o, w in one.wanted.items()), *(list(s.argv) for s in one.settings)]


def link_text(one: Card) -> str | None:
    """The .link file of a card with what it can hold of these settings; None: it holds none of them."""
    return link_file.text(one.link, persistent(one)) if one.link is not None else None


def lines(cards: Iterable[Card]) -> Mapping[Key, list[str] | None]:
    """What the unit sets at every boot; None for what it must not set any more: a .link file does."""
    made: dict[Key, list[str] | None] = {}
    for one in cards:
        for argv in persistent(one):
            elsewhere = one.link is not None and link_file.held(one.link, argv)
            made[_key(argv)] = None if elsewhere else argv
    return made


def _key(argv: Sequence[str]) -> Key:
    option, interface = (argv[2], argv[3]) if argv[0] == "/bin/sh" else (argv[1], argv[2])
    rest = argv[3:]
    sub = ""
    if option == "-N":
        sub = rest[1]
    elif option in ("-C", "-K", "--set-priv-flags") or (option == "-X" and rest[:1] == ["hkey"]):
        sub = rest[0]
    return (_RANK.index(option) if option in _RANK else len(_RANK), interface, sub)


def unit_text(before: str, wanted: Mapping[Key, list[str] | None], *, note: str = "") -> str | None:
    """The unit with these settings added to what it already sets; None: there is nothing that it should set.

    `note`: of a mitigation: until when and why.
    """
    kept: dict[Key, str] = {}
    for line in _LINE.findall(before):
        words = [w.strip('"') for w in re.findall(r'"[^"]*"|\S+', line)]
        argv = words if words[0] == "/bin/sh" else ["ethtool", *words[1:]]
        if len(argv) > 3:
            kept[_key(argv)] = line
    merged = {**kept, **{key: _written(argv) for key, argv in wanted.items() if argv is not None}}
    merged = {key: line for key, line in merged.items() if wanted.get(key, ()) is not None}
    if not merged:
        return None
    notes: dict[str, str] = dict(_NOTE.findall(before))
    if note:
        notes |= {key[1]: note for key in wanted}
    return render(
        "slipway-nic.service.j2",
        {
            "commands": [merged[key] for key in sorted(merged)],
            "notes": [f"{name} {_plain(words)}" for name, words in sorted(notes.items())],
        },
    )


def _written(argv: Sequence[str]) -> str:
    words = (ETHTOOL, *argv[1:]) if argv[0] == "ethtool" else tuple(argv)
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _plain(words: str) -> str:
    return "".join(c if c.isprintable() else " " for c in words)[:240]
