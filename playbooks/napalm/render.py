"""What a napalm step would change, as it is approved and as it is found again. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

from fleet.core.model import Json, Reason
from playbooks import device_templates, frr_change
from playbooks.base import Device, Impossible
from playbooks.frr_change import Change
from playbooks.napalm.params import NapalmParams

_SHOWN = 8  # lines of a difference that a reason names


def text_of(params: NapalmParams, device: Device, name: str) -> str:
    """The configuration for one device: what the plan rendered, or rendered now. Raises Impossible."""
    if params.rendered is not None:
        return params.rendered
    if params.template is None:
        return params.config
    about = {"name": device.name, "router_id": device.router_id, "suite": device.suite}
    context = {**params.variables, "values": params.variables, "device": about}
    return device_templates.render(f"{name}/{params.template}.j2", context)


def frr_wanted(params: NapalmParams, text: str, known: str) -> str:
    """The configuration as it shall be, from the one that is known (without its secrets)."""
    return frr_change.merged(known, text) if params.mode == "merge" else frr_change.normal(text)


def frr_change_of(params: NapalmParams, device: Device, text: str, known: str) -> Change:
    """What changes on an FRR router. Raises Impossible for what may not be done."""
    wanted = frr_wanted(params, text, known)
    what = frr_change.change(known, wanted)
    if drained := frr_change.drained_by_it(what):
        remedy = "The drain sets these and takes them back: change them in the inventory, or by hand."
        found = "; ".join(drained)[:200]
        raise Impossible(Reason(f"configuration of {device.name}", found, "no statement of a drain", remedy))
    if refused := frr_change.refusals(known, wanted, allow_removal=params.allow_removal):
        raise Impossible(refused[0])
    return what


def change_json(what: Change) -> dict[str, list[list[str]]]:
    return {"gone": [list(path) for path in what.gone], "new": [list(path) for path in what.new]}


def change_from(params: NapalmParams) -> Change:
    """The change that was planned, statement by statement."""
    told: Mapping[str, Any] = params.change or {}
    return Change(*(tuple(tuple(path) for path in told.get(side, ())) for side in ("gone", "new")))


def changed_lines(diff: str) -> tuple[str, ...]:
    """Lines of a diff that come or go, in its order and without secrets; the context around them moves with a drain."""
    return tuple(
        frr_change.redacted(line.rstrip())
        for line in diff.splitlines()
        if line[:1] in "+-" and line[:3] not in ("+++", "---") and line[1:].strip()
    )


def moved(device: Device, approved: str, found: str) -> Reason | None:
    """None when the device would change as approved; else what it would do otherwise, line by line."""
    was, now = changed_lines(approved), changed_lines(found)
    if was == now:
        return None
    other = [line for line in now if line not in was] or ["the same lines in another order or fewer of them"]
    missing = [line for line in was if line not in now] or ["nothing else"]
    return Reason(
        f"compare_config of {device.name}", f"{'; '.join(other[:_SHOWN])}"[:600],
        f"as approved: {'; '.join(missing[:_SHOWN])}"[:600],
        "Somebody changed it since: collect the facts, plan and approve again.",
    )  # fmt: skip


def compare_key(mode: str, text: str) -> str:
    """Under which name facts keep what a device said that it would change for this configuration."""
    return hashlib.sha256(f"{mode}\0{text}".encode()).hexdigest()


def told_diff(facts: Mapping[str, Json], mode: str, text: str) -> str | None:
    """What the device said to `compare_config` of this very configuration when it was asked; None: it was not asked."""
    napalm = facts.get("napalm")
    compared = napalm.get("compared") if isinstance(napalm, Mapping) else None
    said = compared.get(compare_key(mode, text)) if isinstance(compared, Mapping) else None
    return said if isinstance(said, str) else None


def not_compliant(device: Device, report: Mapping[str, Any]) -> tuple[Reason, ...]:
    """What NAPALM's compliance report found otherwise; () when everything that could be told complies."""
    reasons = []
    for name, found in report.items():
        if not isinstance(found, Mapping) or (found.get("complies") is True and not found.get("skipped")):
            continue
        subject = f"compliance of {device.name}: {name}"
        if found.get("skipped"):
            reasons.append(Reason(subject, "not told by this driver", "a getter that it has"))
            continue
        reasons += [Reason(subject, *pair) for pair in _differences(found, ())] or [
            Reason(subject, "otherwise", "as the validation says")
        ]
    if not reasons and report.get("complies") is not True:
        reasons.append(Reason(f"compliance of {device.name}", "it does not comply", "a report that complies"))
    return tuple(reasons)


def _differences(found: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[str, str]]:
    """(found, wanted) of each leaf of a report, with the way to it."""
    pairs = [(f"no {_at((*path, str(key)))}", "there") for key in found.get("missing") or ()]
    pairs += [(f"{_at((*path, str(key)))}", "not there") for key in found.get("extra") or ()]
    present = found.get("present")
    for key, one in present.items() if isinstance(present, Mapping) else ():
        here = (*path, str(key))
        if not isinstance(one, Mapping) or one.get("complies") is True:
            continue
        if isinstance(one.get("diff"), Mapping):
            pairs += _differences(one["diff"], here)
        else:
            pairs.append((f"{_at(here)} {one.get('actual_value')!s:.80}", f"{one.get('expected_value')!s:.80}"))
    return pairs


def _at(path: tuple[str, ...]) -> str:
    return " / ".join(path)[:200]
