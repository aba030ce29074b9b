"""Every page there is, from the URL configuration, with rows of the database in the place of its arguments.

    python -m tests.browser.addresses        (on SLIPWAY_DATABASE_URL; JSON on stdout: {pattern: [path, ...]})

A process of its own, as the scenes are. Django's admin is left out: it has Django's look. A pattern for which no row
exists has no path; a page that somebody adds is in the list by itself, and needs a line in SAMPLES only when its
argument is not the number of the row that the first part of its path is about.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Arguments = Mapping[str, Any]
# Never end, end the session that looks at the pages, or are scripts and files for machines that boot.
LEFT_OUT = re.compile(r"(^|/)stream$|^logout/$|^boot/")


def patterns(entries: Any, before: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Route, name and names of arguments of every address but the admin's."""
    from django.urls import URLResolver

    for entry in entries:
        here = before + str(entry.pattern)
        arguments = tuple(dict.fromkeys((*above, *entry.pattern.converters, *entry.pattern.regex.groupindex)))
        if not isinstance(entry, URLResolver):
            yield here, entry.name, arguments
        elif entry.namespace != "admin":
            yield from patterns(entry.url_patterns, here, arguments)


def _changes() -> Iterator[Arguments]:
    """The newest change of each state, and of a running one and of a stuck one whatever their age."""
    from fleet.changes.models import Change

    seen: set[str] = set()
    for change in Change.objects.order_by("-pk").defer("description"):
        stuck = change.revisions.filter(run__targets__state="stuck").exists()
        kind = f"{change.state}{' stuck' if stuck else ''}"
        if kind not in seen:
            seen.add(kind)
            yield {"pk": change.pk}


def _compared() -> Iterator[Arguments]:
    from fleet.changes.models import Revision

    row = Revision.objects.filter(number=2).order_by("-pk").first()
    if row:
        yield {"pk": row.change_id, "old": 1, "new": 2}


def _editable() -> Iterator[Arguments]:
    from fleet.changes.models import Change

    for change in Change.objects.filter(state__in=["draft", "submitted"]).order_by("-pk")[:1]:
        yield {"pk": change.pk}


def _planned() -> Iterator[Arguments]:
    """A large plan and the smallest newest one."""
    from django.db.models import Count

    from fleet.changes.models import Change

    rows = Change.objects.annotate(targets=Count("revisions__run__targets"))
    for pk in dict.fromkeys(rows.order_by(order).values_list("pk", flat=True).first() for order in ("-targets", "-pk")):
        if pk:
            yield {"pk": pk, "number": 1}


def _waves() -> Iterator[Arguments]:
    from fleet.changes.models import TargetRun

    row = TargetRun.objects.select_related("run__revision").order_by("-wave", "pk").first()
    if row:
        yield {"pk": row.run.revision.change_id, "number": 1}


def _targets() -> Iterator[Arguments]:
    """A target of each state."""
    from fleet.changes.models import TargetRun

    seen: set[str] = set()
    for row in TargetRun.objects.select_related("run__revision").order_by("pk"):
        if row.state not in seen:
            seen.add(row.state)
            # A step that probed has a table of its own; where there is none, any step.
            probed = row.steps.filter(verb="probe-again").values_list("index", flat=True).first()
            yield {"pk": row.run.revision.change_id, "name": row.name, "number": 3 if probed is None else probed + 1}


def _devices() -> Iterator[Arguments]:
    from inventory.models import Router

    names = Router.objects.order_by("pk").values_list("name", flat=True)
    for name in dict.fromkeys([*names.filter(name="aebi"), *names[:1]]):
        yield {"name": name}


SAMPLES: Mapping[str, Callable[[], Iterator[Arguments]]] = {
    "change": _changes,
    "change-events": _planned,
    "change-plan": _planned,
    "revision-plan": _planned,
    "compare": _compared,
    "edit": _editable,
    "wave": _waves,
    "target": _targets,
    "soak": lambda: (a for n, a in enumerate(_targets()) if n == 0),
    "step": lambda: (a for n, a in enumerate(_targets()) if n == 0),
}
# What has a number in its path, by the address name: `app.Model`. Forms of the inventory are found by themselves.
ROWS: Mapping[str, str] = {
    "draft-request": "changes.DraftRequest",
    "repair-request": "changes.RepairRequest",
    "window-edit": "changes.Window",
    "freeze-edit": "changes.Freeze",
    "policy-edit": "changes.ApprovalPolicy",
    "endpoint": "outward.Endpoint",
    "endpoint-edit": "outward.Endpoint",
    "inventory-import": "inventory.NetboxImport",
}


def _row(name: str) -> Iterator[Arguments]:
    """The newest row that a numbered address is about; 1 where nobody says what it is about."""
    from django.apps import apps

    from inventory.views.edit import THINGS

    edited = {f"inventory-edit-{t.slug}": t.model for t in THINGS}
    model = edited.get(name) or (apps.get_model(ROWS[name]) if name in ROWS else None)
    if model is None:
        yield {"pk": 1}
    else:
        yield from ({"pk": pk} for pk in model._default_manager.order_by("-pk").values_list("pk", flat=True)[:1])


def _samples(name: str, arguments: tuple[str, ...]) -> Iterator[Arguments]:
    if name in SAMPLES:
        yield from SAMPLES[name]()
    elif arguments == ("pk",):
        yield from _row(name)
    elif arguments == ("name",):
        yield from _devices()
    elif not arguments:
        yield {}
    else:
        yield {a: "sso" if a == "provider_id" else "1" for a in arguments}


def paths() -> dict[str, list[str]]:
    """All addresses by their pattern."""
    from django.urls import get_resolver, reverse

    found: dict[str, list[str]] = {}
    for pattern, name, arguments in patterns(get_resolver().url_patterns):
        if name and not LEFT_OUT.search(pattern):
            made = [{a: v for a, v in sample.items() if a in arguments} for sample in _samples(name, arguments)]
            found[pattern] = [reverse(name, kwargs=kwargs) for kwargs in made]
    return found


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()
    print(json.dumps(paths()))
