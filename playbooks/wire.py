"""What goes over an exec channel, as text: how commands are rendered and how a batch's answer is taken apart. Pure.

Everything is an argument list until `shlex.join` renders it, so nothing reaches a shell unquoted. No locale is set:
none is forwarded by us, the tools that are read (ip, ethtool, vtysh, birdc) are not translated, and of the others
(cat, sysctl, systemctl) only the exit status and data of the kernel are used.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from playbooks.base import Answer

PUT_SCRIPT = (
    'set -e; umask 077; mkdir -p "$(dirname "$1")"; cat > "$1.slipway"; '
    'chmod "$2" "$1.slipway"; sync "$1.slipway"; mv "$1.slipway" "$1"'
)
BATCH_SHELL = ("/bin/sh", "-s")

# b NAME COMMAND...: one section. bi NAME COMMAND...: one section per interface but lo (a shell's variables are
# global: bi may not use b's).
_HEAD = (
    "T='{token}'\n"
    'b() {{ n=$1; shift; printf \'%s %s begin\\n\' "$T" "$n"; '
    '"$@" </dev/null 2>&1; '
    'printf \'\\n%s %s end %s\\n\' "$T" "$n" "$?"; }}\n'
    'bi() {{ m=$1; shift; for i in /sys/class/net/*; do i=${{i##*/}}; [ "$i" = lo ] || b "$m:$i" "$@" "$i"; done; }}\n'
)
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.:/-]+)?")
_STATUS = re.compile(r"[0-9]{1,3}")


def command(argv: Sequence[str], *, root: bool, become: str) -> str:
    """The text of the exec request for one command; as root through `sudo -n` (never asks) where the login needs it."""
    if not argv:
        raise ValueError("an empty command")
    return shlex.join([*(("sudo", "-n") if root and become == "sudo" else ()), *argv])


def put_argv(path: str, mode: str) -> list[str]:
    """The command that takes a file from standard input and puts it in place by rename.

    Raises ValueError for a path that is not absolute and a mode that is not three or four octal digits.
    """
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"path of a file on a device: found {path!r}, wanted an absolute path")
    if not re.fullmatch(r"[0-7]{3,4}", mode):
        raise ValueError(f"mode of {path}: found {mode!r}, wanted octal digits such as 0644")
    return ["/bin/sh", "-c", PUT_SCRIPT, "slipway-put", path, mode]


def batch_script(
    commands: Mapping[str, Sequence[str]], per_interface: Mapping[str, Sequence[str]], *, token: str
) -> str:
    """The script of a batch. `per_interface` commands get each interface but lo as their last argument.

    A failing command stops nothing. `token` is unpredictable, so that no output can forge the end of a section.
    Raises ValueError for a name that is no plain word or is used twice.
    """
    lines = [_HEAD.format(token=token)]
    if twice := commands.keys() & per_interface.keys():
        raise ValueError(f"names used twice in a batch: {sorted(twice)}")
    for function, entries in (("b", commands), ("bi", per_interface)):
        for name, argv in entries.items():
            if not _NAME.fullmatch(name) or (function == "bi" and ":" in name):
                raise ValueError(f"name in a batch: found {name!r}, wanted letters, digits, '_', '.', '-'")
            if not argv:
                raise ValueError(f"an empty command: {name}")
            lines.append(shlex.join([function, name, *argv]) + "\n")
    return "".join(lines)


def batch_answers(text: str, *, token: str) -> dict[str, Answer]:
    """The complete sections of a batch's output: name > answer, standard error merged into `out`.

    A section without its end line is left out; so is the `NAME:*` of a device without interfaces. Never raises.
    """
    answers: dict[str, Answer] = {}
    begun, out = "", ""
    # Split at the token and not matched by a pattern: every batch has a new token, and compiling patterns with it was
    # a third of a leg's CPU time (29 of 89 s under the profiler).
    for piece in f"\n{text}".split(f"\n{token} ")[1:]:
        line, newline, rest = piece.partition("\n")
        match line.split(" "):
            case [name, "begin"] if name and newline:
                begun, out = name, rest
            case [name, "end", status] if name == begun and _STATUS.fullmatch(status):
                if not name.endswith(":*"):
                    answers[name] = Answer(status=int(status), out=out, err="")
                begun = ""
    return answers


def label(argv: Sequence[str]) -> str:
    """A command's name for people: the program and its verb, never its other arguments (they may hold a secret)."""
    words = [argv[0].rsplit("/", 1)[-1]] if argv else []
    if len(argv) > 1 and re.fullmatch(r"[a-z][a-z-]{1,30}", argv[1]):
        words.append(argv[1])
    return " ".join(words)
