"""The section of the long run from what it has left: `python -m proof.long --told`."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from proof import report
from proof.long import trends
from proof.long.services import SERVICES
from proof.long.trends import Series, Table
from proof.report import Row

FOLDER = Path(__file__).resolve().parents[2] / "var" / "proof" / "long"
RING = FOLDER.with_name("ring")
# Fewer say nothing about rows for each: one kind of change writes twice the events of another.
FEW_ROUTERS = 20
MOST_CPU = 0.25
# What a table's rows are of and what forgets them; False: nothing does, and they come with time. What is not named
# here and grows falls short.
KEPT: Mapping[str, tuple[str, bool]] = {
    "changes_": ("the record of changes: kept, it is the evidence", True),
    "inventory_observation": ("facts of every collection and change: repeats are forgotten after 7 days", True),
    "inventory_sample": ("samples of what is watched: thinned after a day, forgotten after 120 days", True),
    "api_keptanswer": ("answers to requests with a key: forgotten after 7 days", True),
    "outward_": ("what was told to other programs: forgotten 30 days after it was delivered", True),
    "notices_": ("what people were told: kept", True),
    "inventory_collectionrun": ("one a collection: kept", True),
}
# What the campaign of faults calls these runs.
ON: Mapping[str, str] = {
    "sim": "real processes, postgresql",
    "ring": "real routers (netns ring), real processes, postgresql",
}
WORDS = """\
The commands of `docker-compose.yml` (web, two workers, ticker, beat, outward, doubtful), a real PostgreSQL and a real
Redis, each started again when it ends; six simulated routers behind real SSH (`lab/sim`), with their own journal. One
change after another over the API by two people's tokens, with recipes that come with Slipway; every minute a fault.
The person on call resumes twice, then aborts. Every change is judged as in the campaign of faults and counts there.

A figure is flat when its slope (Theil and Sen, 99.9 % interval) is at most {steady:.0%} of its level an hour, grows
when the whole interval lies above nothing and the slope above that, else the hour does not say. Memory is what is
resident and no file's, what processes share after a fork counted in each; each start of a process is a piece of its
own, its first {warm:.0f} s are left out. Rows: for each router that was changed, in the first and in the second
half."""

RING_WORDS = """\
`make proof-long LAB=ring`: the same services, people and faults of processes, on a ring of real routers (`lab/netns`:
four FRR, two BIRD, each with a systemd, an sshd and a disk of its own). What reaches a router over SSH is written down
in the router by a recorder that Slipway knows nothing of (`lab/netns/recorder.py`), with the router's configuration,
boot, unit of the routing daemons, queues and sessions after each request; reboots by what started them. The same judge
reads that. Faults of routers: the SSH session killed before, in the middle of and after a command, held, late; sshd
gone; another host key; power lost; bgpd or bird killed; a link down; all of it standing still; its disk full. Probes
through every router in both families count what is lost; what is lost between a fault
that hurts traffic by itself (power, daemon, link, standing still) and 45 s after its end, when the ring is whole again,
is not Slipway's to prevent: both sums stand there."""


def postmaster(database: str) -> int:
    """Process id of the server."""
    import psycopg

    with psycopg.connect(database) as connection:
        [(text,)] = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
    return int(text.splitlines()[0])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def keep_runs(into: Path, folder: Path) -> None:
    """Each change is a run of the campaign of faults as well: on real processes."""
    about = json.loads((into / "about.json").read_text())
    kept, killed = [], 0
    for line in lines(into / "changes.jsonl"):
        if "gone" in line:
            continue
        deaths, killed = line["killed"] - killed, line["killed"]
        more = {"seed": about["seed"], "sweep": False, "database": ON[about.get("lab", "sim")], "deaths": deaths}
        kept.append(line | more | {"cpu_s": None})
    folder.mkdir(parents=True, exist_ok=True)
    name = f"long-{about['seed']}" if about.get("lab", "sim") == "sim" else f"ring-{about['seed']}"
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


def table(into: Path) -> list[Row]:
    """The rows of the section. Pure but for reading the files."""
    samples, changes = lines(into / "samples.jsonl"), lines(into / "changes.jsonl")
    faults = [line for line in lines(into / "faults.jsonl") if not line["failed"]]
    lasted = samples[-1]["at"]
    made = [Row("minutes under changes with faults", f"{lasted / 60:.0f}", "60", holds=lasted >= 3600 - 60)]
    made += _of_changes(changes)
    kinds = Counter(f["kind"] for f in faults)
    made.append(Row(f"faults, of {len(kinds)} kinds", f"{len(faults)}"))
    made += [Row("each kind", ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))]
    share = trends.cpu_share(samples, SERVICES)
    made.append(Row("CPU of all services, of one core", f"{share:.0%}", f"at most {MOST_CPU:.0%}", share <= MOST_CPU))
    for what, unit in (("rss_mb", " MB"), ("fds", ""), ("sockets", ""), ("threads", "")):
        made += _of_services(samples, what, unit)
    made += _of_servers(samples)
    made += _of_rows(trends.tables(samples))
    return made


def _of_changes(changes: Sequence[Mapping[str, Any]]) -> list[Row]:
    judged = [c for c in changes if "gone" not in c]
    wrong = [c for c in judged if c["wrong"]]
    states = ", ".join(f"{s.replace('_', ' ')} {n}" for s, n in Counter(c["state"] for c in judged).most_common())
    routers = Counter(s for c in judged for s in c["targets"].values())
    said = ", ".join(f"{s.replace('_', ' ')} {n}" for s, n in routers.most_common())
    return [
        Row("changes, ended", f"{len(judged)}: {states}"),
        Row("routers of changes, ended", said),
        Row("changes that were refused when drafted or started", str(len(changes) - len(judged))),
        Row("requests to the API without an answer, sent again", str(sum(c["answers_missed"] for c in judged))),
        Row("changes judged wrong", str(len(wrong)), "0", holds=not wrong),
    ]


def ring_table(into: Path) -> list[Row]:
    """The rows of the run on real routers: what became of its changes, of traffic, and whether anything grew."""
    samples, changes = lines(into / "samples.jsonl"), lines(into / "changes.jsonl")
    faults = [line for line in lines(into / "faults.jsonl") if not line["failed"]]
    kinds = Counter(f["kind"] for f in faults)
    made = [Row("minutes under changes with faults", f"{samples[-1]['at'] / 60:.0f}"), *_of_changes(changes)]
    made.append(Row(f"faults, of {len(kinds)} kinds", f"{len(faults)}"))
    made += [Row("each kind", ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))]
    made += _of_traffic(changes)
    for what in ("rss_mb", "fds", "sockets", "threads"):
        found = {n: s for n, s in trends.of_processes(samples, what).items() if n in SERVICES}
        grows = [n for n, s in found.items() if s.verdict == "grows"]
        said = ", ".join(f"{n} {s.first:.4g} to {s.last:.4g}" for n, s in found.items())
        made.append(Row(f"{_CALLED[what]} of each service", said, "none grows", holds=not grows))
    grew = [t for t in trends.tables(samples) if t.grows]
    odd = [t.name for t in grew if not (t.explained and _why(t)[1])]
    told = samples[-1]["targets"] >= FEW_ROUTERS
    said = (", ".join(odd) or "none") + ("" if told else f"; fewer than {FEW_ROUTERS} routers changed, not told")
    made.append(Row("tables that grow, by other than what is done", said, "none", not odd if told else None))
    return [replace(row, what=f"ring: {row.what}") for row in made]


def _of_traffic(changes: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Packets lost of the probes through every router, apart from faults that lose some by themselves, and in all."""
    probed = [c["lost"] for c in changes if "lost" in c]
    made = []
    for family in ("ipv4", "ipv6"):
        sent, lost = (sum(one[family][key] for one in probed) for key in ("sent", "lost"))
        apart = sum(one["apart"][family] for one in probed)
        name = family.replace("ip", "IP")
        made.append(
            Row(f"{name} packets lost of {sent:,}, apart from faults that lose some", f"{apart:,}", "0", not apart)
        )
        made.append(Row(f"{name} packets lost in all", f"{lost:,}"))
    return made


_CALLED = {"rss_mb": "memory", "fds": "file descriptors", "sockets": "sockets", "threads": "threads"}


def _of_services(samples: Sequence[Mapping[str, Any]], what: str, unit: str) -> list[Row]:
    found = trends.of_processes(samples, what)
    if what != "rss_mb" and what != "fds":  # many small whole numbers: one line for all that are flat
        grows = [s for name, s in found.items() if name in SERVICES and s.verdict == "grows"]
        said = ", ".join(f"{n} {s.first:g} to {s.last:g}" for n, s in found.items() if n in SERVICES)
        return [Row(f"{_CALLED[what]} of each service", said, "none grows", holds=not grows)]
    return [_row(f"{_CALLED[what]}: {name}", found[name], unit) for name in SERVICES if name in found]


def _row(what: str, s: Series, unit: str = "") -> Row:
    said = f"{s.first:.4g} to {s.last:.4g}{unit}, at most {s.most:.4g}"
    if s.trend is not None and isfinite(s.trend.high):
        said += f"; {s.trend.slope:+.1%} an hour ({s.trend.low:+.1%} to {s.trend.high:+.1%})"
    verdict = {"flat": True, "grows": False}.get(s.verdict)
    return Row(
        what, said + {"too few": "; too few samples", "unclear": "; not told"}.get(s.verdict, ""), "flat", verdict
    )


def _of_servers(samples: Sequence[Mapping[str, Any]]) -> list[Row]:
    made = [_row("PostgreSQL: connections", trends.of_server(samples, "postgresql", "connections"))]
    idle = [s["postgresql"]["idle_in_transaction"] for s in samples if s["postgresql"]]
    made.append(Row("PostgreSQL: idle in a transaction, most at once, at the end", f"{max(idle)}, {idle[-1]}"))
    sizes = [s["postgresql"]["mb"] for s in samples if s["postgresql"]]
    made.append(Row("PostgreSQL: database", f"{sizes[0]:.1f} to {sizes[-1]:.1f} MB", "as its rows, below"))
    made.append(_row("Redis: clients", trends.of_server(samples, "redis", "clients")))
    made.append(_row("Redis: memory", trends.of_server(samples, "redis", "mb"), " MB"))
    for what in ("keys", "waiting", "unacked"):
        said = [s["redis"][what] for s in samples if s["redis"]]
        made.append(Row(f"Redis: {what}, most, at the end", f"{max(said)}, {said[-1]}"))
    return made


def _why(one: Table) -> tuple[str, bool]:
    return next((kept for start, kept in KEPT.items() if one.name.startswith(start)), ("explained", False))


def _of_rows(found: Sequence[Table]) -> list[Row]:
    made = []
    for one in [t for t in found if t.grows]:
        why, good = _why(one)
        said = f"{one.first} to {one.last}; {one.early:.1f}, then {one.late:.1f} a router"
        made.append(Row(f"rows: {one.name}", said, why, holds=one.explained and good))
    still = [t for t in found if not t.grows]
    made.append(Row("tables that do not grow", f"{len(still)} of {len(found)}"))
    return made


def write(into: Path, ring: Path = RING) -> int:
    """Write the section of what there is of both; 1 when something falls short."""
    words = [WORDS.format(steady=trends.STEADY, warm=trends.WARM_S)]
    rows, there = list[Row](), [folder for folder in (into, ring) if (folder / "samples.jsonl").exists()]
    for folder in there:
        rows += table(folder) if folder == into else ring_table(folder)
        words += [RING_WORDS] if folder == ring else []
        after = folder / "after.md"  # what was mended since, by hand
        words += [after.read_text().strip()] if after.exists() else []
        on = "the ring, " if folder == ring else ""
        words += [
            f"- {on}{c['story']} {c['run']}: {'; '.join(c['wrong'][:3])} ({', '.join(c['faults'])})"
            for c in lines(folder / "changes.jsonl")
            if c.get("wrong")
        ]
    for row in rows:
        sys.stdout.write(f"{row.what}: {row.found} {row.verdict}\n")
    about = json.loads((there[0] / "about.json").read_text())
    report.write("long", rows, seed=about["seed"], words="\n\n".join(words))
    return int(any(row.holds is False for row in rows))
