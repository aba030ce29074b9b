"""Versions as devices and packagers write them, in one total order, and ranges of them. Nothing here ever raises.

A version is a release (dotted numbers) and a suffix. "6.1.0-28-amd64", "FRR 8.4.4", "2.8.20-k", "1:2.3-4~deb12u1",
"23.06-rc0~71-g182d2b466", the NVM "8.00" and the eetrack id "0x80009e5b" are all read; what is not read is a Reason.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, total_ordering

from fleet.core.model import Reason

# Longer texts are no versions; the bound also keeps int() under Python's limit of 4300 digits.
LONGEST = 128

_VERSION = re.compile(
    r"(?:[A-Za-z][A-Za-z/_-]*\s+)*"  # "FRR ", "FRRouting ", "BIRD "
    r"[vV]?(?:(?P<epoch>[0-9]+):)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?P<suffix>(?:\.?[A-Za-z+~_-][A-Za-z0-9.+~_-]*)?)(?:\s.*)?",
    re.DOTALL,
)
_HEX = re.compile(r"0[xX]([0-9a-fA-F]+)(?:\s.*)?", re.DOTALL)
_NVM = re.compile(r"([0-9a-fA-F]{1,2})\.([0-9a-fA-F]{1,2})(?:\s.*)?", re.DOTALL)
_TOKEN = re.compile(r"[0-9]+|[A-Za-z]+|~")
# Before the release that they announce: "6.12-rc3" < "6.12".
_EARLY = frozenset({"rc", "alpha", "beta", "dev", "pre", "preview"})

_WANTED = "a version such as 7.5, 6.1.0-28-amd64 or 0x80009e5b"

Token = tuple[int, int, str]
_END: Token = (2, 0, "")


def _token(text: str) -> Token:
    if text == "~":
        return (0, 0, "")
    if text[0] in "0123456789":
        return (4, int(text), "")
    word = text.lower()
    return (1 if word in _EARLY else 3, 0, word)


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """One version. Equal when they order the same: "7.5", "7.5.0" and "FRR 7.5" are one version; `text` is as read."""

    text: str
    scheme: int  # 0: dotted; 1: a hexadecimal id. Ids of one family grow with time, and are never mixed with the rest.
    epoch: int
    release: tuple[int, ...]  # without zeros at the end
    suffix: tuple[Token, ...]

    @classmethod
    def parse(cls, text: str) -> "Version | Reason":
        """Read a version; a Reason for what is none."""
        plain = text.strip() if isinstance(text, str) else ""
        if not plain or len(plain) > LONGEST:
            return Reason("version", _shown(text), _WANTED)
        return _parsed(plain)

    @classmethod
    def nvm(cls, text: str) -> "Version | Reason":
        """Read the NVM version of an Intel adapter; anything that is not MAJOR.MINOR is read as by `parse`.

        i40e prints "%x.%02x": hexadecimal nibbles, the minor always with two digits, so that a "9.5" written by a
        person is 9.50 and not 9.05 (domain: i40e source; DPDK speaks of "8.4" for 8.40).
        """
        plain = text.strip() if isinstance(text, str) else ""
        return _parsed_nvm(plain) if plain and len(plain) <= LONGEST else cls.parse(text)

    @property
    def key(self) -> tuple[int, int, tuple[int, ...], tuple[Token, ...]]:
        """What orders: scheme, epoch, release, then the suffix with the end of the text among its tokens."""
        return (self.scheme, self.epoch, self.release, (*self.suffix, _END))

    @property
    def base(self) -> tuple[int, int, tuple[int, ...]]:
        """The version without its suffix."""
        return (self.scheme, self.epoch, self.release)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __lt__(self, other: object) -> bool:
        return self.key < other.key if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


# A fleet has few versions and many devices: without this a quarter of the time of a plan's findings goes into reading.
@lru_cache(maxsize=4096)
def _parsed(plain: str) -> Version | Reason:
    if number := _HEX.fullmatch(plain):
        return Version(plain, 1, 0, (int(number[1], 16),), ())
    found = _VERSION.fullmatch(plain)
    if found is None:
        return Reason("version", _shown(plain), _WANTED)
    release = _trimmed([int(n) for n in found["release"].split(".")])
    suffix = tuple(_token(t) for t in _TOKEN.findall(found["suffix"]))
    return Version(plain, 0, int(found["epoch"] or 0), release, suffix)


@lru_cache(maxsize=4096)
def _parsed_nvm(plain: str) -> Version | Reason:
    found = _NVM.fullmatch(plain)
    if found is None:
        return _parsed(plain)
    return Version(plain, 0, 0, _trimmed([int(found[1], 16), int(found[2].ljust(2, "0"), 16)]), ())


def _trimmed(numbers: Sequence[int]) -> tuple[int, ...]:
    kept = list(numbers)
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return tuple(kept)


def _shown(text: object) -> str:
    if not isinstance(text, str):
        return f"a {type(text).__name__}" if text is not None else "nothing"
    return repr(text if len(text) <= 60 else text[:57] + "...") if text.strip() else "nothing"


class Relation(StrEnum):
    """How a version stands to a bound."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    EXACTLY = "="
    WITHIN = ".*"  # every version of a branch: 7.3.* holds 7.3, 7.3.1 and 7.3-dev


@dataclass(frozen=True)
class Bound:
    """One condition. A bound speaks of as much as it writes: "<= 7.3.1" and "7.3.1" hold the package 7.3.1-2~deb10u1.

    What announces a release is before it: "< 7.5" holds 7.5-rc1, "7.5" does not.
    """

    relation: Relation
    version: Version
    depth: int = 0  # of WITHIN: how many numbers were written

    def holds(self, version: Version) -> bool:
        match self.relation:
            case Relation.LESS:
                return version < self.version
            case Relation.AT_LEAST:
                return version >= self.version
            case Relation.AT_MOST:
                return self._at_most(version)
            case Relation.MORE:
                return not self._at_most(version)
            case Relation.EXACTLY:
                return version >= self.version and self._at_most(version)
            case Relation.WITHIN:
                mine, its = _first(self.version, self.depth), _first(version, self.depth)
                return version.base[:2] == self.version.base[:2] and mine == its

    def _at_most(self, version: Version) -> bool:
        return version <= self.version or (not self.version.suffix and version.base == self.version.base)

    def __str__(self) -> str:
        match self.relation:
            case Relation.WITHIN:
                return f"{self.version.text}.*"
            case Relation.EXACTLY:
                return self.version.text
            case _:
                return f"{self.relation.value} {self.version.text}"


def _first(version: Version, count: int) -> tuple[int, ...]:
    return (*version.release, *([0] * count))[:count]


_BOUND = re.compile(r"(?P<relation><=|>=|==|<|>|=)?\s*(?P<version>[^<>=,]+?)(?P<branch>\.\*)?")
Reader = Callable[[str], "Version | Reason"]


@dataclass(frozen=True)
class Range:
    """Versions for which every bound holds; no bound holds for all. "< 7.5", "7.3.*", ">=2.13.10,<2.14", "2.13.10"."""

    bounds: tuple[Bound, ...] = ()

    @classmethod
    def parse(cls, text: str, read: Reader = Version.parse) -> "Range | Reason":
        """Read a range; "*" is every version. `read`: how its versions are read (Version.nvm for NVM versions)."""
        wanted = "bounds such as < 7.5, 7.3.*, >= 2.13.10 or 2.13.10, separated by commas"
        if not isinstance(text, str) or not text.strip() or len(text) > 4 * LONGEST:
            return Reason("range of versions", _shown(text), wanted)
        if text.strip() == "*":
            return cls()
        bounds = []
        for part in text.split(","):
            bound = _bound(part.strip(), read)
            if isinstance(bound, Reason):
                return Reason("range of versions", bound.found, wanted)
            bounds.append(bound)
        return cls(tuple(bounds))

    def holds(self, version: Version) -> bool:
        """Is the version in the range?"""
        return all(bound.holds(version) for bound in self.bounds)

    def __str__(self) -> str:
        return ", ".join(str(b) for b in self.bounds) or "every version"


def _bound(text: str, read: Reader) -> Bound | Reason:
    found = _BOUND.fullmatch(text)
    if found is None:
        return Reason("bound", _shown(text), "")
    version = read(found["version"])
    if isinstance(version, Reason):
        return version
    if found["branch"]:
        written = re.fullmatch(r"[0-9]+(?:\.[0-9]+)*", found["version"].strip())
        if found["relation"] or written is None:
            return Reason("bound", _shown(text), "")
        return Bound(Relation.WITHIN, version, found["version"].count(".") + 1)
    sign = (found["relation"] or "=").replace("==", "=")
    return Bound(Relation(sign), version)
