"""Two looks at the queues of a device, as they are stored, into what the doctor takes. Pure; nothing makes it raise."""

from collections.abc import Mapping

from fleet.core.check_reading import as_map, number
from fleet.core.intent_settings import cpus
from fleet.core.model import Json
from fleet.core.rss import Rss, read_key
from fleet.core.rss_load import Card, Load, Machine


def machine(look: Json) -> Machine:
    """The machine of one look."""
    found = as_map(look)
    listed = found.get("cpus")
    irqbalance = found.get("irqbalance")
    return Machine(
        cpus=len(listed) if isinstance(listed, list) and listed else None,
        cores=_whole(found.get("cores")) or None,
        irqbalance=irqbalance if isinstance(irqbalance, bool) else None,
        kernel=str(found.get("kernel") or "")[:128],
    )


def names(look: Json) -> tuple[str, ...]:
    """The interfaces of a look that have queues, by name; those that are down are left out."""
    rows = as_map(as_map(look).get("interfaces"))
    return tuple(
        sorted(n for n, row in rows.items() if as_map(row).get("queues") and as_map(row).get("up") is not False)
    )


def card(look: Json, name: str) -> Card | None:
    """One card as a look saw it; None: it was not seen."""
    row = as_map(as_map(look).get("interfaces")).get(name)
    if not isinstance(row, Mapping):
        return None
    affinity = {int(q): _cpus(text) for q, text in as_map(row.get("affinity")).items() if _is_number(q)}
    return Card(
        name=name,
        driver=str(row.get("driver") or ""),
        queues=_whole(row.get("queues")),
        most=_whole(row.get("most")) or None,
        settable=row.get("settable") is True,
        rss=rss(row),
        cpus={q: found for q, found in affinity.items() if found},
    )


def rss(row: Json) -> Rss | None:
    """Key, table and fields of an interface; None without a table, or where its function is not Toeplitz."""
    told = as_map(as_map(row).get("rss"))
    table, function = told.get("indirection"), told.get("function")
    if not isinstance(table, list) or not table or function not in (None, "toeplitz"):
        return None
    if not all(isinstance(q, int) and not isinstance(q, bool) and 0 <= q < 4096 for q in table):
        return None
    key = read_key(told["key"]) if isinstance(told.get("key"), str) else None
    fields = {k: v for k, v in as_map(as_map(row).get("fields")).items() if isinstance(v, str)}
    return Rss(key or b"", tuple(table), fields)


def load(before: Json, after: Json, name: str, *, seconds: float | None = None) -> Load | None:
    """What happened on a card between two looks; None: another boot, no time between them, or not in both.

    `seconds`: between them, where the looks' own clocks (uptime) are not to be used.
    """
    one, two = as_map(before), as_map(after)
    times = [number(m.get("uptime")) for m in (one, two)]
    if seconds is None and times[0] is not None and times[1] is not None:
        seconds = times[1] - times[0]
    rows = [as_map(as_map(m.get("interfaces")).get(name)) for m in (one, two)]
    if not seconds or seconds <= 0 or one.get("boot_id") != two.get("boot_id") or not all(rows):
        return None
    received = _grown({"n": rows[0].get("received")}, {"n": rows[1].get("received")}).get("n")
    return Load(
        seconds=seconds,
        packets=_by_number(_grown(rows[0].get("rx"), rows[1].get("rx"))),
        interrupts=_interrupts(rows[0].get("vectors"), rows[1].get("vectors")),
        missed=_grown(rows[0].get("no_buffer"), rows[1].get("no_buffer")),
        received=received,
        softirq=_softirq(one.get("stat"), two.get("stat")),
    )


def _grown(before: Json, after: Json) -> dict[str, int]:
    """How much each counter has grown; those that went backwards (the driver was loaded again) count from 0."""
    was, made = as_map(before), {}
    for name, value in as_map(after).items():
        now, then = _whole(value), _whole(was.get(name))
        if now is not None and then is not None:
            made[name] = now - then if now >= then else now
    return made


def _by_number(grown: Mapping[str, int]) -> dict[int, int] | None:
    return {int(q): n for q, n in grown.items() if _is_number(q)} or None


def _interrupts(before: Json, after: Json) -> dict[int, dict[int, int]] | None:
    made = {}
    for queue, by_cpu in as_map(after).items():
        grown = _by_number(_grown(as_map(before).get(queue), by_cpu))
        if _is_number(queue) and grown is not None:
            made[int(queue)] = grown
    return made or None


def _softirq(before: Json, after: Json) -> dict[int, float]:
    made = {}
    for cpu, ticks in as_map(after).items():
        was, now = _pair(as_map(before).get(cpu)), _pair(ticks)
        if was is not None and now is not None and _is_number(cpu) and now[1] > was[1] and now[0] >= was[0]:
            made[int(cpu)] = min(1.0, (now[0] - was[0]) / (now[1] - was[1]))
    return made


def _pair(value: Json) -> tuple[int, int] | None:
    numbers = [_whole(v) for v in value] if isinstance(value, list) and len(value) == 2 else []
    return (numbers[0], numbers[1]) if len(numbers) == 2 and None not in numbers else None  # type: ignore[return-value]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _cpus(text: Json) -> frozenset[int]:
    return cpus(text) or frozenset()
