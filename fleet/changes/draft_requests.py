"""Takes up what people asked to be drafted by form, and tells the forms which recipes there are. Beside the tick."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from fleet.changes import drafts, standards
from fleet.changes.models import Change, DraftRequest, RecipeCard
from fleet.core import explain
from fleet.core.model import Reason, to_json
from playbooks.recipe import RecipeRefused, read_recipe, recipe_paths

log = logging.getLogger(__name__)

# As for repairs: planning 10,000 devices takes minutes at worst; a worker that died in it is followed by another.
TAKEN_FOR = timedelta(minutes=10)
_published: set[str] = set()  # databases (by name) that this process has told its recipes


def publish() -> int:
    """Write what forms need to know of the recipes that come with Slipway. Two queries when nothing has changed."""
    have = {card.name: card for card in RecipeCard.objects.all()}
    paths = recipe_paths()
    written = 0
    for name, path in paths.items():
        try:
            recipe = read_recipe(path)
        except RecipeRefused as error:  # a test of its own finds this; a form must not offer it
            log.error("recipe %s: %s", name, error)
            continue
        values = {
            "summary": recipe.summary,
            "inputs": to_json(recipe.inputs),
            "where": to_json(recipe.targets.get("where", recipe.targets)),
            "strategy": to_json(recipe.strategy),
            "digest": standards.digest_of(path.read_text(encoding="utf-8")),
        }
        old = have.get(name)
        if old is None or any(getattr(old, key) != value for key, value in values.items()):
            RecipeCard.objects.update_or_create(name=name, defaults=values)
            written += 1
    RecipeCard.objects.exclude(name__in=paths).delete()
    return written


def publish_once() -> None:
    """At the first turn of a process: recipes change with the release, and a release restarts the engine."""
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    if name not in _published:
        publish()
        _published.add(name)


def take_up(now: datetime, *, tell_forms: bool = True) -> int:
    """Draft the oldest request that waits; 1, or 0 when none does (then it is one query).

    `tell_forms=False`: the recipes, a second of CPU when a process begins, are left to a later turn.
    """
    if tell_forms:
        publish_once()
    waiting = DraftRequest.objects.filter(
        Q(taken_at__isnull=True) | Q(taken_at__lt=now - TAKEN_FOR), ended_at__isnull=True
    )
    row = waiting.select_related("asked_by", "change").order_by("asked_at", "pk").first()
    if row is None:
        return 0
    mine = DraftRequest.objects.filter(pk=row.pk, taken_at=row.taken_at, ended_at__isnull=True)
    if not mine.update(taken_at=now):
        return 0  # another worker was quicker
    left: tuple[Reason, ...] = ()
    try:
        with transaction.atomic():  # the draft and the answer together: a worker that dies leaves neither
            row.change = _drafted(row, now)
            _answer(row, (), now)
        return 1
    except drafts.PlanRefused as refused:
        left = refused.reasons
    except RecipeRefused as refused:
        left = refused.reasons
    except Exception as error:  # whoever asked is told, and the next request is not held up by this one
        log.exception("draft request %s", row.pk)
        left = (_fault(row, error),)
    if not row.edits:
        row.change = None
    _answer(row, left, now)
    return 1


def _drafted(row: DraftRequest, now: datetime) -> Change:
    request = drafts.Request(row.recipe, row.inputs, tuple(row.names), row.strategy or None)
    if not row.edits:
        return drafts.open_change(
            request, title=row.title, author=row.asked_by, now=now, ticket=row.ticket, description=row.description
        )
    assert row.change is not None
    newest = row.change.revision
    if newest is None or newest.number != row.edits:
        found = f"revision {newest.number} by {newest.created_by}" if newest else "none"
        wanted = f"revision {row.edits}, which you edited"
        raise drafts.PlanRefused([Reason("revision", found, wanted, "Read the newer one, then edit that.")])
    change = drafts.revise(row.change, request, author=row.asked_by, now=now)
    Change.objects.filter(pk=change.pk).update(title=row.title, ticket=row.ticket, description=row.description)
    return change


def _answer(row: DraftRequest, left: tuple[Reason, ...], now: datetime) -> None:
    row.left, row.ended_at = explain.sentences(left), now
    row.save(update_fields=["change", "left", "ended_at"])


def _fault(row: DraftRequest, error: Exception) -> Reason:
    found = f"{type(error).__name__}: {error}"[:300]
    return Reason(f"draft of {row.title}", found, "a draft", "This is a fault of Slipway: please report it.")
