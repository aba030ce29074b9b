"""The wire format: what an exec request asks for, taken apart without a shell. Pure.

Forms: one quoted argument list; a batch script on standard input of `/bin/sh -s`; a file put by a constant script.
A revert script (`/bin/sh FILE`) is a list of simple commands with a few operators; see `simple_commands`.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

PUT_SCRIPT = (
    'set -e; umask 077; mkdir -p "$(dirname "$1")"; cat > "$1.slipway"; '
    'chmod "$2" "$1.slipway"; sync "$1.slipway"; mv "$1.slipway" "$1"'
)
_OPERATORS = frozenset({"&&", "||", ";", "&", "|", ">", ">>", "<", "2>&1", "2>/dev/null", ">/dev/null"})


class Form(StrEnum):
    """How a request is written."""

    COMMAND = "command"
    BATCH = "batch"
    PUT = "put"


@dataclass(frozen=True)
class Request:
    """One exec request. `canonical`: written as shlex.join writes it, so that a shell would see the same words."""

    form: Form
    argv: tuple[str, ...]
    root: bool
    canonical: bool = True


@dataclass(frozen=True)
class Section:
    """One command of a batch. `each`: run once per interface but lo, its name appended."""

    name: str
    argv: tuple[str, ...]
    each: bool = False


@lru_cache(maxsize=8192)
def _words(text: str) -> tuple[str, ...]:
    """shlex.split, remembered: half the cost of a batch was to split the same lines again and again. ValueError."""
    return tuple(shlex.split(text))


class NotUnderstood(ValueError):
    """The text is not in the wire format; a real shell might take it, the simulation does not."""


def request(command: str, *, user_is_root: bool = False) -> Request:
    """What an exec request asks for. Raises NotUnderstood."""
    try:
        words = list(_words(command))
    except ValueError as error:
        raise NotUnderstood(f"{command[:200]!r}: {error}") from None
    if not words:
        raise NotUnderstood("an empty command")
    canonical = shlex.join(words) == command
    root = user_is_root
    if words[:2] == ["sudo", "-n"]:
        words, root = words[2:], True
    if words == ["/bin/sh", "-s"]:
        return Request(Form.BATCH, tuple(words), root, canonical)
    if words[:2] == ["/bin/sh", "-c"]:
        if len(words) != 6 or words[2] != PUT_SCRIPT:
            raise NotUnderstood(f"a shell script that is not the put script: {command[:200]!r}")
        return Request(Form.PUT, (words[4], words[5]), root, canonical)
    if not words:
        raise NotUnderstood("sudo without a command")
    return Request(Form.COMMAND, tuple(words), root, canonical)


def batch(script: str) -> tuple[str, Sequence[Section]]:
    """Token and sections of a batch script. Raises NotUnderstood for any other line."""
    head, _, rest = script.partition("\n")
    if not (head.startswith("T='") and head.endswith("'") and len(head) > 4):
        raise NotUnderstood("a batch without its token")
    return head[3:-1], _sections(rest)


@lru_cache(maxsize=1024)
def _sections(lines: str) -> tuple[Section, ...]:
    """Remembered: batches differ in their token, and taking a script of many lines apart costs 40 ms."""
    sections = []
    for line in logical_lines(lines):
        if line.startswith(("b()", "bi()")):
            continue
        words = _words(line)
        if len(words) < 3 or words[0] not in ("b", "bi"):
            raise NotUnderstood(f"line of a batch: {line[:200]!r}")
        sections.append(Section(words[1], _known_script(words[2:]), each=words[0] == "bi"))
    return tuple(sections)


def _known_script(argv: tuple[str, ...]) -> tuple[str, ...]:
    """`/bin/sh -c SCRIPT slipway-NAME ''` (and an interface) is known by its name, answered by `discovery.py`."""
    match argv:
        case ("/bin/sh", "-c", _, name, "", *rest) if name.startswith("slipway-"):
            return (name, *rest)
        case _:
            return argv


def _known(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The same within a script, with any words after its name."""
    return argv[3:] if argv[:2] == ("/bin/sh", "-c") and len(argv) > 3 and argv[3].startswith("slipway-") else argv


def logical_lines(script: str) -> Iterator[str]:
    """Lines, where a quoted word may span several of them. Empty lines and comments are left out."""
    held = ""
    for line in script.splitlines():
        held = f"{held}\n{line}" if held else line
        if not held.strip() or held.lstrip().startswith("#"):
            held = ""
            continue
        # The functions of the head hold quotes of their own kind; they are complete on their line.
        if held.startswith(("b()", "bi()")) or _closed(held):
            yield held.strip("\n")
            held = ""
    if held:
        raise NotUnderstood(f"a quote that is never closed: {held[:200]!r}")


def _closed(text: str) -> bool:
    try:
        _words(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Simple:
    """One simple command of a script. `joined`: "", "&&" or "||" to the one before; `to`: file for its output."""

    argv: tuple[str, ...]
    joined: str = ""
    to: str = ""
    append: bool = False


def stops_at_error(script: str) -> bool:
    """Does it say `set -e`?"""
    return any(line.split()[:2] == ["set", "-e"] for line in script.splitlines())


def simple_commands(script: str) -> list[Simple]:
    """A script on the device as simple commands: `A && B || C`, `> FILE`, `[ ... ]`, assignments and `set` ignored.

    No substitutions, loops or conditions: raises NotUnderstood.
    """
    found = []
    for line in logical_lines(script):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        joined, words, to, append = "", list[str](), "", False
        tokens = iter(list(lexer))
        for token in tokens:
            if token in ("&&", "||", ";"):
                found += [Simple(tuple(words), joined, to, append)] if words else []
                joined, words, to, append = ("" if token == ";" else token), [], "", False
            elif token in (">", ">>"):
                to, append = next(tokens, ""), token == ">>"
                words = words[:-1] if words and words[-1] in ("1", "2") else words
            elif token in (">&",):
                next(tokens, "")
                words = words[:-1] if words and words[-1] in ("1", "2") else words
            elif set(token) <= set(";&|<>"):
                raise NotUnderstood(f"{token} in a script: {line[:200]!r}")
            else:
                words.append(token)
        if words:
            found.append(Simple(tuple(words), joined, to, append))
    found = [replace(s, argv=_known(s.argv)) for s in found]
    for simple in found:
        if simple.argv[0] in ("for", "while", "if", "case", "until", "function") or any("$(" in w for w in simple.argv):
            raise NotUnderstood(f"{' '.join(simple.argv)[:200]!r} in a script")
    return [s for s in found if s.argv[0] not in ("set", "umask") and "=" not in s.argv[0].split("/")[0]]
