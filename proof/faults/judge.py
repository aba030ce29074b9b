"""Says what is wrong after a run: from the journal of what reached the devices, the state they are in, and plain SQL.

Nothing of the engine is asked or imported: `lab.sim.oracle` reads the journal, the chain of events is computed here
once more from what docs/decisions/003-seals.md says.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lab.sim import oracle
from lab.sim.router import Router
from proof.faults.scene import Story

Rows = Callable[[str], Sequence[tuple[Any, ...]]]
ENDED = {"done", "rolled_back", "stuck", "pending"}


Targets = Mapping[str, tuple[Any, ...]]


def wrong(story: Story, journal: Sequence[oracle.Entry], routers: Mapping[str, Router], rows: Rows) -> list[str]:
    """Every violation, in words; empty is a run as it should be. For a database with one change."""
    [(change,)] = rows("SELECT id FROM changes_change")
    targets = targets_of(change, rows)
    found = [*of_journal(story, journal, targets), *of_rows(change, targets, rows), *of_chain(change, rows)]
    for name, (state, _, changed) in targets.items():
        found += _of_device(story, name, state, bool(changed), routers[name], journal)
    return found


# What FRR and BIRD say when the cost they got stays one that nobody takes.
_PROHIBITIVE = re.compile(r"\+ .*(ipv6 ospf6 cost 6553[45]|SLIPWAY_EXTRA_COST = (59999|60000);)")
_TARGETS = """
    SELECT t.name, t.state, t.engaged, t.changed FROM changes_targetrun t JOIN changes_run r ON r.id = t.run_id
    JOIN changes_revision v ON v.id = r.revision_id WHERE v.change_id = {change} ORDER BY t.name
"""


def targets_of(change: int, rows: Rows) -> Targets:
    """Name -> state, engaged, changed."""
    found = rows(_TARGETS.format(change=int(change)))
    return {name: (state, bool(engaged), changed) for name, state, engaged, changed in found}


def of_journal(story: Story, journal: Sequence[oracle.Entry], targets: Targets) -> list[str]:
    """What reached the devices, of all targets of one change."""
    found = list[str]()
    accidents = {e["router"] for e in journal if e.get("panic")}
    calm = [e for e in journal if e.get("router") not in accidents]  # a panic undoes what no command undid
    found += [f"{name}: done twice: {change}" for name, change in oracle.repeated(calm)]
    ordered = [e for e in journal if not e.get("panic")]
    restarts = oracle.reboots(ordered)
    found += [f"{n}: restarted {many} times" for n, many in restarts.items() if many > story.restarts]
    most = oracle.most_at_once(oracle.drained(journal))
    if most > story.budget:
        found.append(f"{most} drained at once, the budget is {story.budget}")
    if (most := oracle.most_at_once(oracle.drained(journal), among=oracle.domains(journal))) > 1:
        found.append(f"{most} drained at once in one failure domain")
    stuck = {name for name, (state, *_) in targets.items() if state == "stuck"}
    left = set(oracle.forgotten_drained(journal)) - stuck
    found += [f"{name}: left drained, and it is {targets[name][0]}" for name in sorted(left)]
    found += [f"{m.router}: {m.change} while it carried traffic" for m in oracle.disrupted_undrained(calm)]
    # A remedy moves a cost from one prohibitive value to another and back, so that the neighbours learn it anew.
    moved = {e["seq"] for e in calm if any(map(_PROHIBITIVE.match, e.get("changes", ())))}
    early = [name for name, seq in oracle.undrained_unverified(calm) if seq not in moved]
    found += [f"{name}: undrained before anybody had seen it converged" for name in early]
    found += [f"{name}: {argv} was not understood" for name, argv in oracle.unknown_commands(journal)]
    return found


def of_rows(change: int, targets: Targets, rows: Rows) -> list[str]:
    """The change and its targets ended, and everybody was told."""
    found = [f"{name}: {state} after the end" for name, (state, *_) in targets.items() if state not in ENDED]
    [(state, ended_at)] = rows(_ENDED.format(change=int(change)))
    if ended_at is None or state not in {"succeeded", "rolled_back", "failed"}:
        found.append(f"the change is {state}, its run has {'an' if ended_at else 'no'} end")
    said = rows(f"SELECT text FROM notices_message WHERE kind = 'stuck' AND change_id = {int(change)}")
    pages = " ".join(text for (text,) in said)
    found += [f"{n}: stuck and nobody was told" for n, (s, *_) in targets.items() if s == "stuck" and n not in pages]
    kinds = {(name, kind) for name, kind in rows(_TOLD.format(change=int(change)))}
    found += [
        f"{name}: {state}, and no event says so"
        for name, (state, *_) in targets.items()
        if state not in {"pending"} and (name, f"target {state}") not in kinds
    ]
    return found


_ENDED = (
    "SELECT c.state, r.ended_at FROM changes_change c JOIN changes_revision v ON v.change_id = c.id"
    " JOIN changes_run r ON r.revision_id = v.id WHERE c.id = {change}"
)
_TOLD = (
    "SELECT t.name, e.kind FROM changes_event e JOIN changes_targetrun t ON t.id = e.target_id"
    " WHERE e.change_id = {change}"
)
_CHAIN = """
    SELECT e.id, e.change_id, e.target_id, e.step_id, e.at, e.actor, e.kind, e.text, e.data, s.number, s.hash
    FROM changes_event e LEFT JOIN changes_eventseal s ON s.event_id = e.id WHERE e.change_id = {change}
    ORDER BY s.number
"""


def of_chain(change: int, rows: Rows) -> list[str]:
    """Every event has its link, and every link says the one before."""
    previous, number = "", 0
    for pk, of, target, step, at, actor, kind, text, data, sealed, link in rows(_CHAIN.format(change=int(change))):
        number += 1
        said = {
            "id": pk, "change": of, "target": target, "step": step, "at": _iso(at), "actor": actor, "kind": kind,
            "text": text, "data": json.loads(data) if isinstance(data, str) else data, "previous": previous,
        }  # fmt: skip
        raw = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        previous = hashlib.sha256(raw.encode()).hexdigest()
        if sealed != number or link != previous:
            return [f"the chain breaks at event {pk}: link {sealed}, wanted {number}"]
    return [] if number else ["no event at all"]


def _iso(raw: Any) -> str:
    at: datetime = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)).isoformat()


def _of_device(
    story: Story, name: str, state: str, changed: bool, router: Router, journal: Sequence[oracle.Entry]
) -> list[str]:
    """What the rows say of a device is what it is."""
    if state == "stuck":
        return []
    there = _applied(router)
    wanted = set[str]()
    if state == "done" and changed:
        wanted = {"settings": {"queues", "sysctl", "config"}, "put-back": {"queues", "sysctl", "config"},
                  "daemons": {"sysctl"}}.get(story.name, set())  # fmt: skip
        counted = oracle.count([e for e in journal if not e.get("lie")])
        if story.restarts and not oracle.reboots(journal)[name]:  # a panic before the reboot that was ordered is one
            return [f"{name}: done, and it never restarted"]
        if story.daemons and not counted[name, oracle.Kind.DAEMONS]:
            return [f"{name}: done, and its daemons never restarted"]
    return [
        f"{name}: {state}, and on it there is {sorted(there) or 'nothing'}, wanted {sorted(wanted) or 'nothing'}"
    ] * (there != wanted)


def _applied(router: Router) -> set[str]:
    channels = router.nics["eth1"].channels
    running = router.bird or router.frr
    text = running.text() if running is not None else ""
    there = {"queues": set(channels.values()) - {0} == {2}, "sysctl": router.sysctls.get(_SYSCTL) == "4321",
             "config": "from a story" in text or "story4" in text}  # fmt: skip
    return {what for what, so in there.items() if so}


_SYSCTL = "net.core.netdev_max_backlog"
