"""Settings of a card beside queues and rings: hash, table, coalescing, offloads, flags, CPUs. What is, what is wanted,
what sets it, what puts it back. Pure.

Order is what drivers demand (domain notes 3.4): table to its default, queues, rings, table, hashed fields, coalescing,
offloads, private flags, interrupts, RPS, XPS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.core.intent_settings import cpus
from fleet.core.model import Json, Reason
from fleet.core.rss_load import limits
from playbooks import ethtool_texts
from playbooks.nic.params import LOCAL, NicParams

CPUS_FILE = "/var/lib/slipway/nic-cpus"
# Which CPU takes what is decided at every boot anew: numbers of interrupts are others then. `irq`: vectors that
# receive, one CPU of the list after another; `rps`, `xps`: each queue gets the whole list, 0 for none.
CPUS_SCRIPT = """\
#!/bin/sh
# Written by Slipway. nic-cpus irq INTERFACE CPU...  |  nic-cpus rps|xps INTERFACE MASK
set -eu
what=$1 if=$2; shift 2; d=/sys/class/net/$if
case $what in
irq) for n in $(ls "$d/device/msi_irqs" "$d/device/../msi_irqs" 2>/dev/null | grep -E '^[0-9]+$' | sort -nu); do
for x in "/proc/irq/$n"/*/; do
case ${x%/} in *[Tt]x[Rr]x-[0-9]*|*rx-[0-9]*|*[Tt]x-[Rr]x-[0-9]*|*rxtx-[0-9]*|*input.[0-9]*|*mlx5_comp[0-9]*)
echo "$1" >"/proc/irq/$n/smp_affinity_list"; c=$1; shift; set -- "$@" "$c"; break;; esac; done; done;;
rps) for q in "$d"/queues/rx-*; do echo "$1" >"$q/rps_cpus"; done;;
xps) for q in "$d"/queues/tx-*; do echo "$1" >"$q/xps_cpus"; done;;
esac
"""


@dataclass(frozen=True)
class State:
    """How a card is set, as far as it says: None where it has no such thing, or it cannot be told."""

    driver: str = ""
    rss: Mapping[str, Json] | None = None
    fields: Mapping[str, str] | None = None
    coalesce: Mapping[str, Json] | None = None
    offloads: Mapping[str, bool] | None = None
    fixed: frozenset[str] = frozenset()
    flags: Mapping[str, bool] | None = None
    vectors: Mapping[int, str] | None = None  # receive queue > CPUs
    rps: Mapping[str, Sequence[int]] | None = None
    xps: Mapping[str, Sequence[int]] | None = None
    near: Sequence[int] | None = None  # CPUs that its interrupts belong on (`near_cpus`)
    of_facts: bool = False  # not from the device now, but from what was collected of it


@dataclass(frozen=True)
class Setting:
    """One setting: what was found (None: the card has none), what is wanted, the command for it and the one back.

    `undone`: no command puts it back as it was (a table by another's weights is put back as its default).
    """

    name: str
    found: str | None
    wanted: str
    argv: tuple[str, ...]
    back: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return self.found != self.wanted


def settings(interface: str, state: State, params: NicParams, *, queues: int | None) -> tuple[Setting, ...]:
    """What the parameters mean for one card beside queues and rings, in the order in which it is set.

    `queues`: receive queues as they will be.
    """
    return (
        *_table(interface, state, params, queues),
        *_hash(interface, state, params),
        *_coalesce(interface, state, params),
        *_features(interface, state, params),
        *_flags(interface, state, params),
        *_cpus(interface, state, params, queues),
    )


def _table(interface: str, state: State, params: NicParams, queues: int | None) -> Iterator[Setting]:
    told = state.rss or {}
    table = told.get("indirection")
    if params.rss_key is not None:
        key = str(told.get("key") or "") or None
        yield Setting(
            "hash key", key, params.rss_key, ("ethtool", "-X", interface, "hkey", params.rss_key),
            ("ethtool", "-X", interface, "hkey", key or params.rss_key),
        )  # fmt: skip
    over = params.equal
    if params.spread and queues:
        most = limits(state.driver).spread
        over = min(queues, most) if most else queues
    if over is not None:
        now = _shown_table(table)
        wanted = f"even over {over}"
        yield Setting(
            "indirection table", now, wanted, ("ethtool", "-X", interface, "equal", str(over)),
            ("ethtool", "-X", interface, *_table_back(table)),
        )  # fmt: skip


def _shown_table(table: Json) -> str | None:
    if not isinstance(table, list) or not table:
        return None
    over = max(table) + 1
    if list(table) == [bucket % over for bucket in range(len(table))]:
        return f"even over {over}"
    return f"uneven, over {len(set(table))} of {over}"


def _table_back(table: Json) -> tuple[str, ...]:
    """`equal N` for an even table; weights for one in which each queue has its share; its default otherwise."""
    shown = _shown_table(table)
    if shown is not None and shown.startswith("even over "):
        return ("equal", shown.removeprefix("even over "))
    if isinstance(table, list) and table and list(table) == sorted(table):
        return ("weight", *(str(list(table).count(q)) for q in range(max(table) + 1)))
    return ("default",)


def _hash(interface: str, state: State, params: NicParams) -> Iterator[Setting]:
    for kind, letters in params.hashes().items():
        now = (state.fields or {}).get(kind)
        wanted = "".join(c for c in "mvtsdfnr" if c in letters)
        yield Setting(
            f"{kind} hashed by", None if now is None else "".join(c for c in "mvtsdfnr" if c in now), wanted,
            ("ethtool", "-N", interface, "rx-flow-hash", kind, wanted),
            ("ethtool", "-N", interface, "rx-flow-hash", kind, now or wanted),
        )  # fmt: skip


def _coalesce(interface: str, state: State, params: NicParams) -> Iterator[Setting]:
    for name, value in sorted(params.coalesce.items()):
        now = (state.coalesce or {}).get(name)
        yield _pair(interface, "-C", f"coalescing {name}", name, now, value)


def _features(interface: str, state: State, params: NicParams) -> Iterator[Setting]:
    for name, on in sorted(params.offloads.items()):
        now = (state.offloads or {}).get(name) if name not in state.fixed else None
        yield _pair(interface, "-K", f"offload {name}", name, now, on)


def _flags(interface: str, state: State, params: NicParams) -> Iterator[Setting]:
    for name, on in sorted(params.priv_flags.items()):
        yield _pair(interface, "--set-priv-flags", f"private flag {name}", name, (state.flags or {}).get(name), on)


def _pair(interface: str, option: str, label: str, name: str, now: Json, wanted: Json) -> Setting:
    found = None if now is None else _word(now)
    return Setting(
        label, found, _word(wanted), ("ethtool", option, interface, name, _word(wanted)),
        ("ethtool", option, interface, name, found or _word(wanted)),
    )  # fmt: skip


def _word(value: Json) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _cpus(interface: str, state: State, params: NicParams, queues: int | None) -> Iterator[Setting]:
    if params.interrupts is not None and queues:
        if params.interrupts == LOCAL and state.near is None:
            # From facts it is not told which they are: the plan says so in words, the look at the device decides.
            name = "CPUs of its interrupts" if state.of_facts else "CPUs near it"
            pinned = " ".join(state.vectors.values()) if state.vectors and state.of_facts else None
            argv = ("/bin/sh", CPUS_FILE, "irq", interface, LOCAL)
            yield Setting(name, pinned, "those of its NUMA node that are not isolated", argv, argv)
            return
        listed = list(state.near or ()) if params.interrupts == LOCAL else sorted(cpus(params.interrupts) or ())
        wanted = [listed[q % len(listed)] for q in range(queues)] if listed else []
        found = state.vectors
        now = None if found is None else " ".join(found.get(q, "?") for q in sorted(found))
        # With another number of queues the card has other vectors: what they had is put back by the list of the old.
        old = [_first(text) for text in (found or {}).values()]
        yield Setting(
            "CPUs of its interrupts", now, " ".join(map(str, wanted)),
            ("/bin/sh", CPUS_FILE, "irq", interface, *map(str, listed)),
            ("/bin/sh", CPUS_FILE, "irq", interface, *(old or map(str, listed))),
        )  # fmt: skip
    for what, asked, had in (("rps", params.rps, state.rps), ("xps", params.xps, state.xps)):
        if asked is not None:
            mask = _mask(cpus(asked) or ())
            masks = {_mask(one) for one in (had or {}).values()}
            now = None if had is None else " ".join(sorted(masks))
            yield Setting(
                what.upper(), now, mask, ("/bin/sh", CPUS_FILE, what, interface, mask),
                ("/bin/sh", CPUS_FILE, what, interface, sorted(masks)[0] if masks else "0"),
            )  # fmt: skip


def _first(text: str) -> str:
    return text if text else "0"


def _mask(numbers: Sequence[int] | frozenset[int]) -> str:
    """As the kernel takes it: hexadecimal, a comma between groups of 32."""
    value = sum(1 << n for n in set(numbers))
    digits = f"{value:x}"
    groups = [digits[max(0, end - 8) : end] for end in range(len(digits), 0, -8)]
    return ",".join(reversed(groups))


def refusals(interface: str, listed: Sequence[Setting]) -> tuple[Reason, ...]:
    """Settings that this card does not have: it would be told, and nothing would happen."""
    return tuple(
        Reason(f"{interface}, {one.name}", "a card that does not let it be set", one.wanted,
               "Leave it out for this interface, or name another.")
        for one in listed
        if one.found is None and one.name != "CPUs of its interrupts"
    )  # fmt: skip


def different(interface: str, listed: Sequence[Setting]) -> tuple[Reason, ...]:
    """Those that are not as wanted."""
    return tuple(
        Reason(f"{interface}, {one.name}", one.found if one.found is not None else "not told", one.wanted)
        for one in listed
        if one.differs
    )


def state(part: ethtool_texts.Section, driver: str, vectors: Mapping[int, str] | None) -> State:
    """The state out of the answer of the script `nic-state`."""

    def said(name: str) -> str:
        return part.answers.get(name, "")

    offloads = ethtool_texts.offloads(said("offloads"))
    fields = {k.removeprefix("flow "): ethtool_texts.flow_hash(v) for k, v in part.answers.items() if k[:5] == "flow "}
    return State(
        driver=driver,
        rss=ethtool_texts.rss(said("rss")),
        fields={k: v for k, v in fields.items() if v is not None},
        coalesce=ethtool_texts.coalesce(said("coalesce")),
        offloads=offloads[0] if offloads else None,
        fixed=frozenset(map(str, offloads[1])) if offloads else frozenset(),
        flags=ethtool_texts.priv_flags(said("priv_flags")),
        vectors=vectors,
        rps=_listed(ethtool_texts.steering(part, "rps")),
        xps=_listed(ethtool_texts.steering(part, "xps")),
        near=near_cpus(part),
    )


def near_cpus(part: ethtool_texts.Section) -> tuple[int, ...] | None:
    """CPUs that the interrupts of a card belong on: of its NUMA node, first threads of their cores first, none that is
    isolated. None: the device does not tell. Where no CPU of the node is left, those of the others."""
    online, isolated = cpus(part.fields.get("online", "")), part.fields.get("isolated")
    if not online or isolated is None:
        return None
    shut_off = (cpus(isolated) or frozenset()) if isolated else frozenset()
    free = online - shut_off
    local = (cpus(part.fields.get("local", "")) or frozenset()) & free or free
    groups = [cpus(row[0]) or frozenset() for row in part.lists.get("siblings", []) if row]
    second = {cpu for group in groups if group for cpu in group if cpu != min(group & free or group)}
    return (*sorted(local - second), *sorted(local & second)) or None


def _listed(found: Mapping[str, Json] | None) -> Mapping[str, Sequence[int]] | None:
    return {k: list(v) for k, v in found.items()} if found is not None else None
