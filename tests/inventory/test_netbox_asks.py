"""Imports asked for by a page: the row, the two tasks, agreement by digest, and that everything happens once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from fleet.core.model import Reason, to_json
from inventory import models, tasks
from inventory.importers.netbox import Defaults, Filters, asks
from inventory.models import NetboxImport
from lab.netbox import Behaviours, NetBoxServer
from tests.inventory.netbox_scene import DEFAULTS, NOW, TOKEN_ENV, everything, ops, row, server

pytestmark = pytest.mark.django_db
__all__ = ["ops", "server"]


@pytest.fixture
def source(server: NetBoxServer, ops: models.Credential) -> models.NetboxSource:
    return models.NetboxSource.objects.create(name="main", url=server.url, token_env=TOKEN_ENV)


def ask(source: models.NetboxSource, **options: Any) -> NetboxImport:
    filters, defaults = options.pop("filters", Filters()), options.pop("defaults", DEFAULTS)
    return asks.ask(source, filters, defaults, by="ann", now=NOW, ring_it=False)


def previewed(source: models.NetboxSource, **options: Any) -> NetboxImport:
    row = ask(source, **options)
    tasks.netbox_preview(row.pk)
    row.refresh_from_db()
    return row


def agree(row: NetboxImport, **options: Any) -> Reason | None:
    digest = options.pop("digest", row.digest)
    return asks.ask_apply(row.pk, digest=digest, by="ben", now=NOW, **options)


@pytest.fixture(autouse=True)
def no_bell(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    rung: list[int] = []
    monkeypatch.setattr(asks, "ring", rung.append)
    return rung


def test_from_asking_to_applied(source: models.NetboxSource, server: NetBoxServer, no_bell: list[int]) -> None:
    row = ask(source)
    assert (row.state, row.url, row.asked_by) == ("asked", server.url, "ann")
    tasks.netbox_preview(row.pk)
    row.refresh_from_db()
    assert (row.state, row.changes, row.wrong, row.progress) == ("previewed", 10, 0, "")
    assert row.preview["creates"][0] == {"kind": "failure domain", "name": "ma1", "fields": [], "row_id": None}
    assert models.Router.objects.count() == 0
    tasks.netbox_apply(row.pk)  # nobody has agreed
    assert models.Router.objects.count() == 0
    assert agree(row) is None and no_bell == [row.pk]
    row.refresh_from_db()
    assert row.state == "applying"
    tasks.netbox_apply(row.pk)
    row.refresh_from_db()
    assert (row.state, row.apply_asked_by, models.Router.objects.count()) == ("applied", "ben", 3)
    assert server.token not in str(NetboxImport.objects.values().get())
    assert previewed(source).changes == 0


def test_tasks_that_run_twice(source: models.NetboxSource, server: NetBoxServer) -> None:
    row = previewed(source)
    asked, digest = len(server.seen), row.digest
    tasks.netbox_preview(row.pk)
    assert len(server.seen) == asked
    agree(row)
    tasks.netbox_apply(row.pk)
    done = everything()
    models.Router.objects.filter(name="bly").update(role="changed-since")
    tasks.netbox_apply(row.pk)
    tasks.netbox_preview(row.pk)
    row.refresh_from_db()
    assert row.digest == digest and row.state == "applied"
    models.Router.objects.filter(name="bly").update(role="edge")
    assert everything() == done
    tasks.netbox_preview(10**6)
    tasks.netbox_apply(10**6)  # gone by now


def test_two_previews_at_once_the_first_to_end_counts(
    source: models.NetboxSource, server: NetBoxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ask(source)
    original = asks.netbox.preview_of

    def slow(*args: Any, **kwargs: Any) -> Any:
        preview = original(*args, **kwargs)
        monkeypatch.setattr(asks.netbox, "preview_of", original)
        tasks.netbox_preview(row.pk)  # another worker was quicker
        server.tables.rows["dcim/devices"].clear()
        return preview

    monkeypatch.setattr(asks.netbox, "preview_of", slow)
    tasks.netbox_preview(row.pk)
    row.refresh_from_db()
    assert row.changes == 10


def test_what_is_not_agreed_to(source: models.NetboxSource, server: NetBoxServer) -> None:
    waiting = ask(source)
    reason = agree(waiting)
    assert reason is not None and reason.found == "asked"
    one = previewed(source)
    reason = agree(one, digest="0" * 64)
    assert reason is not None and reason.found == "another digest"
    assert agree(one) is None
    reason = agree(one)
    assert reason is not None and reason.found == "applying"
    row(server, "dcim/devices", "bly")["primary_ip"] = None
    wrong = previewed(source)
    reason = agree(wrong)
    assert reason is not None and reason.found == "1 wrong row(s)"
    assert agree(wrong, skip_wrong_rows=True) is None
    tasks.netbox_apply(wrong.pk)
    wrong.refresh_from_db()
    assert wrong.state == "applied" and models.Router.objects.count() == 2


def test_a_failure_is_kept_with_its_reason(source: models.NetboxSource, server: NetBoxServer) -> None:
    server.behaviours = Behaviours(status=500, endpoint="dcim/cables")
    failed = previewed(source)
    assert failed.state == "refused" and failed.reason()["subject"].startswith(f"{server.url}/api/dcim/cables/")
    reason = agree(failed)
    assert reason is not None and reason.found == "refused"
    tasks.netbox_apply(failed.pk)
    assert models.Router.objects.count() == 0


def test_a_database_that_moved_on_is_refused(source: models.NetboxSource) -> None:
    row = previewed(source)
    models.External.objects.create(name="bly")
    agree(row)
    tasks.netbox_apply(row.pk)
    row.refresh_from_db()
    assert row.state == "refused" and "changed after the preview" in row.reason()["found"]
    assert models.Router.objects.count() == 0


def test_a_preview_that_was_changed_is_not_what_was_agreed_to(source: models.NetboxSource) -> None:
    row = previewed(source)
    row.preview["snapshot"]["devices"][0]["address"] = "203.0.113.66"
    NetboxImport.objects.filter(pk=row.pk).update(preview=row.preview)
    agree(row)
    tasks.netbox_apply(row.pk)
    row.refresh_from_db()
    assert row.state == "refused" and "changed after it was made" in row.reason()["found"]


def test_a_bug_or_a_time_limit_does_not_leave_it_waiting(
    source: models.NetboxSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("0123456789abcdef with something secret")

    monkeypatch.setattr(asks.netbox, "preview_of", broken)
    row = ask(source)
    with pytest.raises(RuntimeError):
        tasks.netbox_preview(row.pk)
    row.refresh_from_db()
    assert row.state == "refused" and row.reason()["found"] == "RuntimeError"


def test_progress_is_in_the_row(source: models.NetboxSource, monkeypatch: pytest.MonkeyPatch) -> None:
    row, told = ask(source), []
    original = asks.netbox.preview_of

    def watch(*args: Any, progress: Callable[[str, int, int], None], **kwargs: Any) -> Any:
        def both(what: str, read: int, of: int) -> None:
            progress(what, read, of)
            told.append(NetboxImport.objects.get(pk=row.pk).progress)

        return original(*args, progress=both, **kwargs)

    monkeypatch.setattr(asks.netbox, "preview_of", watch)
    tasks.netbox_preview(row.pk)
    assert told == ["sites: 2 of 2", "devices: 3 of 3", "cables: 4 of 4", "interfaces: 8 of 8"]


@pytest.mark.parametrize("name", ["SLIPWAY_SECRET_KEY", "POSTGRES_PASSWORD", "NETBOX_x", "NETBOX_", "netbox_token"])
def test_a_source_cannot_name_other_secrets(name: str) -> None:
    with pytest.raises(ValidationError):
        models.NetboxSource.objects.create(name="x", url="https://attacker.example.net", token_env=name)


def test_the_database_itself_refuses_secrets_of_a_source() -> None:
    source = models.NetboxSource.objects.create(name="x", url="https://n.example.net")
    for values in ({"token_env": "PATH"}, {"url": "https://u:p@n.example.net"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            models.NetboxSource.objects.filter(pk=source.pk).update(**values)
    with pytest.raises(ValidationError):
        models.NetboxSource.objects.create(name="y", url="https://u:p@n.example.net")


@pytest.mark.django_db(transaction=True)
def test_without_celery_a_thread_does_it(server: NetBoxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the bell rings here
    monkeypatch.setenv(TOKEN_ENV, server.token)
    models.Credential.objects.create(name="ops", username="ops", reference="env:OPS")
    source = models.NetboxSource.objects.create(name="main", url=server.url, token_env=TOKEN_ENV)

    def wait() -> None:
        for thread in threading.enumerate():
            if thread.name.startswith("netbox-import"):
                thread.join(20)

    row = asks.ask(source, Filters(), DEFAULTS, by="ann", now=NOW)
    wait()
    row.refresh_from_db()
    assert row.state == "previewed" and agree(row) is None
    wait()
    row.refresh_from_db()
    assert row.state == "applied"


@pytest.mark.django_db(transaction=True)
def test_with_celery_both_tasks_are_rung_for_by_the_names_they_have(
    server: NetBoxServer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.undo()
    sent: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(asks.app, "send_task", lambda name, args: sent.append((name, args)))
    settings.SLIPWAY_DISPATCH = "celery"
    source = models.NetboxSource.objects.create(name="main", url=server.url)
    with transaction.atomic():
        row = asks.ask(source, Filters(), DEFAULTS, by="ann", now=NOW)
        assert sent == []
    assert sent == [(tasks.netbox_preview.name, [row.pk]), (tasks.netbox_apply.name, [row.pk])]


def test_what_is_asked_comes_back_as_it_was() -> None:
    filters = Filters(("a",), ("b", "c"), ("d",), ("active", "staged"))
    assert Filters.from_json(to_json(filters)) == filters
    defaults = Defaults("c", "bird", "host", 2222, "transit", {"x": "linux"})
    assert Defaults(**to_json(defaults)) == defaults
