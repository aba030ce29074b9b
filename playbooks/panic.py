"""What a kernel said last: the headline, the functions it was in, the modules. Pure; no text makes it raise.

The text is a device's: it is shortened, cleaned of control characters and of command lines, and never interpreted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.core.model import Json

# From the worst to what usually comes before it.
_HEADLINES = (
    r"Kernel panic - not syncing: .*",
    r"BUG: .*",
    r"Oops: .*|Internal error: Oops.*",
    r"general protection fault.*",
    r"watchdog: BUG: soft lockup.*|NMI watchdog: Watchdog detected hard LOCKUP.*",
    r"rcu: INFO: rcu_\w+ (?:self-)?detected stalls?.*",
    r"INFO: task .* blocked for more than .*",
    r"Unable to handle kernel .*",
    r"Out of memory: Killed process .*",
    r"(?:VFS: )?Unable to mount root fs.*",
)
_FUNCTION = re.compile(
    r"(?<![\w.$])(?P<name>[A-Za-z_][\w.]{1,80})\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}(?:\s*\[(?P<module>[\w-]{1,60})[\w\s]*\])?"
)
# Where every trace passes when the kernel dies; they tell nothing.
_EVERYWHERE = re.compile(
    r"dump_stack\w*|show_stack\w*|panic|oops_\w+|die(_\w+)?|__warn|report_bug|handle_bug|exc_\w+|asm_\w+|no_context|"
    r"(__)?bad_area\w*|do_error_trap|page_fault_oops|crash_kexec|ret_from_fork\w*|kthread|start_secondary|secondary_\w+|"
    r"do_user_addr_fault|x86_64_start_\w+|cpu_startup_entry|do_idle|fixup_exception"
)
_MODULES = re.compile(r"Modules linked in: (.*)")
_STAMP = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[[^\]]*\])?\s?", re.MULTILINE)
_PART = re.compile(r"^(?:Panic|Oops|Emergency)#(\d+) Part(\d+)\b.*$", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_SECRET_LINE = re.compile(r"command line:", re.IGNORECASE)
_KEPT, _MOST_NAMES = 8_000, 40
_LISTS = ("functions", "modules", "loaded")


@dataclass(frozen=True)
class Panic:
    """The last words of a kernel. `functions`: in the order of the trace, each once; `modules`: named in the trace."""

    headline: str
    functions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()  # all modules that were loaded, where the text lists them
    text: str = ""

    @property
    def words(self) -> str:
        """One sentence for people: headline, where, and in which modules."""
        where = f" in {', '.join(self.functions[:6])}" if self.functions else ""
        modules = f" (modules {', '.join(self.modules[:6])})" if self.modules else ""
        return f'"{self.headline}"{where}{modules}'

    def data(self) -> dict[str, Json]:
        return {
            "headline": self.headline, "functions": list(self.functions), "modules": list(self.modules),
            "loaded": list(self.loaded), "text": self.text,
        }  # fmt: skip


def of_data(value: Json) -> Panic | None:
    """What `data` wrote; None for anything else."""
    if not isinstance(value, Mapping) or not isinstance(value.get("headline"), str):
        return None
    functions, modules, loaded = (tuple(str(v) for v in value.get(key) or ()) for key in _LISTS)
    return Panic(value["headline"], functions, modules, loaded, str(value.get("text") or ""))


def read(text: str) -> Panic | None:
    """The panic, oops or lockup in a text (pstore, a kernel's log, a serial console); None where there is none."""
    clean = _clean(text)
    headline = next((found for pattern in _HEADLINES if (found := _last(pattern, clean))), "")
    if not headline:
        return None
    functions, modules = _trace(clean)
    linked = _MODULES.findall(clean)
    loaded = tuple(re.sub(r"\(\w+\)$", "", word) for word in linked[-1].split()[:200]) if linked else ()
    return Panic(headline, functions, modules, loaded, _shortened(clean, headline))


def joined(records: Sequence[str]) -> str:
    """Records of pstore in the order of time: a long message lies in parts, Part1 being its end."""

    def order(text: str) -> tuple[int, int]:
        part = _PART.search(text)
        return (int(part[1]), -int(part[2])) if part is not None and len(part[1] + part[2]) < 12 else (0, 0)

    return "\n".join(_PART.sub("", text).strip("\n") for text in sorted(records, key=order))


def _clean(text: str) -> str:
    text = _CONTROL.sub("", text[-400_000:].replace("\r", ""))
    lines = (line for line in text.splitlines() if not _SECRET_LINE.search(line))
    return _STAMP.sub("", "\n".join(lines))


def _last(pattern: str, text: str) -> str:
    """The last line that matches: a machine may have said more than one thing."""
    found = re.findall(rf"^.*?({pattern})$", text, re.MULTILINE)
    return " ".join(found[-1].split())[:200] if found else ""


def _trace(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, modules = dict[str, None](), dict[str, None]()
    for match in _FUNCTION.finditer(text):
        name = match["name"].split(".")[0]  # .isra.0, .part.1, .cold
        if not _EVERYWHERE.fullmatch(name):
            names[name] = None
        if match["module"]:
            modules[match["module"]] = None
    return tuple(names)[:_MOST_NAMES], tuple(modules)[:_MOST_NAMES]


def _shortened(text: str, headline: str) -> str:
    """What is kept: around the headline, from some lines before the trace to its end."""
    at = text.rfind(headline[:60])
    start = max(0, (at if at >= 0 else len(text)) - _KEPT // 2)
    start = text.rfind("\n", 0, start) + 1 if start else 0
    return text[start : start + _KEPT]


def texts(listing: str) -> Iterator[tuple[int, str, str]]:
    """(time in seconds, path, text) of what the script of `last_words` printed: `@@ TIME PATH`, then the text."""
    for piece in f"\n{listing}".split("\n@@ ")[1:]:
        head, _, body = piece.partition("\n")
        when, _, path = head.partition(" ")
        if when.isdecimal() and len(when) < 14:
            yield int(when), path.strip()[:200], body
