"""docs/webhooks.md lists every type of event there is, and no other; the times in it are those of the code."""

import ast
import re

from fleet.core.states import ChangeState, Control, StepState, TargetState
from fleet.outward import backoff, patterns, signing, wire
from tests.house.rules import ROOT, sources

KIND = re.compile(r"(change|target|step|run|approval|finding|break-glass|ticket) [a-z_]+")
PAGE = (ROOT / "docs" / "webhooks.md").read_text()


def literals() -> set[str]:
    """Kinds that are written out where events are made."""
    found = set()
    for path in sources("fleet/changes", "fleet/outward"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"note", "stay", "event", "remark", "_remark"}:
                    texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
                    found |= {t for t in texts if isinstance(t, str) and KIND.fullmatch(t)}
    return found


def test_every_type_is_listed_and_every_listed_one_exists() -> None:
    states = {f"change {s}" for s in ChangeState} | {f"target {s}" for s in TargetState}
    states |= {f"step {s}" for s in StepState if s is not StepState.READY}
    asked = {f"run {c}" for c in Control if c is not Control.NONE} | {"run resume"}
    read = {"ticket approved", "ticket rejected", "ticket withdrawn", "ticket requested", "step remedy"}
    exist = {patterns.type_of(k) for k in states | asked | read | literals()}
    listed = set(re.findall(r"`([a-z-]+\.[a-z_]+)`", PAGE.split("### Types")[1].split("###")[0]))
    assert listed - {"slipway.ping"} == exist


def test_the_times_on_the_page_are_those_of_the_code() -> None:
    def words(waits: object) -> list[str]:
        units = ((3600, "h"), (60, "min"), (1, "s"))
        seconds = [int(w.total_seconds()) for w in waits]  # type: ignore[attr-defined]
        return [next(f"{s // u} {n}" for u, n in units if s % u == 0 and s >= u) for s in seconds]

    flat = " ".join(PAGE.split())
    *first, last = words(backoff.MESSAGE_WAITS)
    assert f"{', '.join(first)} and {last}" in flat
    assert ", ".join(words(backoff.BREAKER_WAITS)[:-1]) in flat
    assert f"longer than {words([backoff.GIVE_UP])[0]} is dead" in flat
    assert f"may take {wire.WITHIN_S:g} s in all, and {wire.MOST_BYTES // 1024} kB" in flat
    assert signing.TOLERANCE_S == 5 * 60
    assert sum(backoff.MESSAGE_WAITS, start=backoff.MESSAGE_WAITS[0] * 0).total_seconds() // 3600 == 75
