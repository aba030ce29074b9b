"""What GRUB, dpkg and the initramfs say. Pure; no text makes it raise. None: cannot tell."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ENTRY = re.compile(r"^[ \t]*menuentry .*?(?:\$menuentry_id_option|--id)[ =]'([^'\n]{1,300})' \{$", re.MULTILINE)
_SUBMENU = re.compile(r"^[ \t]*submenu .*?(?:\$menuentry_id_option|--id)[ =]'([^'\n]{1,300})' \{$", re.MULTILINE)
_LINUX = re.compile(r"^[ \t]*linux[ \t]+(\S+)[ \t]*(.*)$", re.MULTILINE)
_BARE = {True: "the bare word", False: "none"}
_MODULE = re.compile(r"(?:^|/)([A-Za-z0-9_-]+)\.ko(?:\.(?:xz|zst|gz))?$")


@dataclass(frozen=True)
class Entry:
    """One kernel of GRUB's menu. `id` as grub-reboot wants it, with its submenu; `body`: the lines between braces."""

    id: str
    release: str
    body: str
    args: str


def entries(menu: str) -> tuple[Entry, ...]:
    """The entries of grub.cfg that boot a kernel normally (no recovery, nothing that a person wrote)."""
    made: list[Entry] = []
    submenus = [(found.start(), found.end(), found[1]) for found in _SUBMENU.finditer(menu)]
    for found in _ENTRY.finditer(menu):
        own = found[1]
        release = re.fullmatch(r"gnulinux-(.+)-advanced-[^>]+", own)
        body = _until_brace(menu[found.end() :])
        linux = _LINUX.search(body or "")
        if release is None or body is None or linux is None:
            continue
        # 10_linux writes one submenu, to the end of which all entries belong; its closing brace stands alone at 0.
        above = next((s[2] for s in submenus if s[1] < found.start() and "\n}" not in menu[s[1] : found.start()]), "")
        made.append(Entry(f"{above}>{own}" if above else own, release[1], body, linux[2].strip()))
    return tuple(made)


def _until_brace(text: str) -> str | None:
    """The lines up to the brace that closes the entry."""
    depth, lines = 1, list[str]()
    for line in text.splitlines()[1:80]:
        stripped = line.strip()
        depth -= stripped == "}"
        if depth == 0:
            return "\n".join(lines) + "\n"
        lines.append(line)
    return None


def saved_is_default(menu: str) -> bool:
    """Does the menu boot what grubenv says (GRUB_DEFAULT=saved), and next_entry once?"""
    return 'set default="${saved_entry}"' in menu and 'set default="${next_entry}"' in menu


def sources_custom(menu: str) -> bool:
    """Does the menu read custom.cfg beside it (41_custom)?"""
    return "custom.cfg" in menu


def environment(text: str) -> Mapping[str, str]:
    """`grub-editenv - list`: name -> value."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, separator, value in pairs if separator and name.isidentifier()}


def words(line: str) -> Mapping[str, str | bool]:
    """A command line by parameter: the value, or True for a bare word; of several the last, as the kernel has it."""
    made: dict[str, str | bool] = {}
    for word in line.split():
        name, separator, value = word.partition("=")
        made[name] = value if separator else True
    return made


def changed_line(line: str, wanted: Mapping[str, str | bool]) -> str:
    """A command line with these parameters as wanted: where they stood, else at the end; False takes them out."""
    kept = [word for word in line.split() if word.partition("=")[0] not in wanted]
    new = [name if value is True else f"{name}={value}" for name, value in wanted.items() if value is not False]
    return " ".join([*kept, *new])


def differs(line: str, wanted: Mapping[str, str | bool]) -> Mapping[str, str]:
    """Parameters that a command line does not have as wanted -> what it has, in words."""
    have = words(line)
    found = {name: have.get(name, False) for name, value in wanted.items() if have.get(name, False) != value}
    return {name: value if isinstance(value, str) else _BARE[value] for name, value in found.items()}


def package(text: str) -> tuple[str, str] | None:
    """`dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}'`: version and state; ("", "") for none."""
    if "no packages found" in text:
        return "", ""
    found = text.split()
    if len(found) != 3:
        return None
    return (found[1], found[2]) if found[2] not in {"rc", "un", "pn"} else ("", "")


def modules(listing: str) -> frozenset[str]:
    """Modules in `lsinitramfs`, with dashes as underscores."""
    found = (_MODULE.search(line.strip()) for line in listing.splitlines()[:20_000])
    return frozenset(match[1].replace("-", "_") for match in found if match)


def drivers(answers: Iterable[str]) -> frozenset[str]:
    """Drivers that `ethtool -i` names, by module."""
    found = (re.search(r"^driver: ([a-z0-9_-]{2,40})$", text, re.MULTILINE) for text in answers)
    return frozenset(match[1] for match in found if match)


def siblings(text: str) -> tuple[tuple[int, ...], ...]:
    """`lscpu -p=CPU,SOCKET,CORE`: the threads of each core; empty when it cannot be read."""
    cores: dict[tuple[str, str], list[int]] = {}
    for line in text.splitlines():
        row = line.strip().split(",")
        if not line.startswith("#") and len(row) == 3 and row[0].isdecimal() and len(row[0]) < 5:
            cores.setdefault((row[1], row[2]), []).append(int(row[0]))
    return tuple(tuple(core) for core in cores.values())
