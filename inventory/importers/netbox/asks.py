"""Imports that a page asks for: a row says what is wanted, a worker reads NetBox, a person agrees to the digest.

    ask(source, filters, defaults, by=, now=) -> row      the page shows row.state, row.progress, then row.preview
    ask_apply(row.pk, digest=row.digest, by=, now=)       None, or the reason why not

The tasks carry the id, may run twice or never: what was lost is rung for again with `ring`.
"""

import threading
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from fleet import clock
from fleet.celery import app
from fleet.core.model import Json, Reason, to_json
from inventory.importers import netbox
from inventory.importers.netbox.preview import Preview
from inventory.importers.netbox.values import Defaults, Filters, Source
from inventory.models import NetboxImport, NetboxSource

_BROKE = "Look at the worker's log; nothing was written. Ask for the import again."


def ask(
    source: NetboxSource, filters: Filters, defaults: Defaults, *, by: str, now: datetime, ring_it: bool = True
) -> NetboxImport:
    """Note that a preview is wanted, and ring for a worker when that is committed."""
    row = NetboxImport.objects.create(
        source=source,
        url=source.url,
        filters=to_json(filters),
        defaults=to_json(defaults),
        asked_by=by,
        asked_at=now,
    )
    if ring_it:
        ring(row.pk)
    return row


def ring(import_id: int) -> None:
    """Have a worker do what this import waits for (again: it does it once), after the transaction has committed."""
    if settings.SLIPWAY_DISPATCH == "celery":
        # By name: pages ask here, and what they import must not lead to devices, as the module of the tasks does.
        for name in ("slipway.netbox_preview", "slipway.netbox_apply"):
            transaction.on_commit(partial(app.send_task, name, args=[import_id]))
    else:
        thread = threading.Thread(target=_both, args=(import_id,), name=f"netbox-import-{import_id}", daemon=True)
        transaction.on_commit(thread.start)


def _both(import_id: int) -> None:
    try:
        run_preview(import_id)
        run_apply(import_id)
    finally:
        connection.close()


def _waiting_for_preview(import_id: int) -> QuerySet[NetboxImport]:
    return NetboxImport.objects.filter(pk=import_id, previewed_at__isnull=True, refused__isnull=True)


def _waiting_for_apply(import_id: int) -> QuerySet[NetboxImport]:
    rows = NetboxImport.objects.filter(pk=import_id, applied_at__isnull=True, refused__isnull=True)
    return rows.filter(apply_asked_at__isnull=False)


def run_preview(import_id: int) -> None:
    """Read NetBox and keep the preview in the row. Of two that do it at once, the first to end counts."""
    row = _waiting_for_preview(import_id).select_related("source").first()
    if row is None or row.source is None:
        return

    def progress(what: str, read: int, of: int) -> None:
        _waiting_for_preview(import_id).update(progress=f"{what}: {read} of {of}")

    source = Source(row.source.url, row.source.token_env, row.source.ca_file)
    try:
        filters, defaults = Filters.from_json(row.filters), Defaults(**row.defaults)
        preview = netbox.preview_of(source, filters, defaults, progress=progress)
    except netbox.NotRead as refused:
        _waiting_for_preview(import_id).update(refused=to_json(refused.reason))
        return
    except Exception as error:  # a bug, or the worker's time limit: the row must not wait for ever
        reason = Reason(f"import from {row.url}", type(error).__name__, "a preview", _BROKE)
        _waiting_for_preview(import_id).update(refused=to_json(reason))
        raise
    about = preview.as_json()
    _waiting_for_preview(import_id).update(
        preview=about,
        digest=preview.digest,
        changes=preview.changes,
        wrong=len(preview.wrong),
        previewed_at=clock.now(),
        progress="",
    )


def ask_apply(import_id: int, *, digest: str, by: str, now: datetime, skip_wrong_rows: bool = False) -> Reason | None:
    """Agree to a preview by its digest; None: a worker was rung for. Asked twice: the first counts."""
    row = NetboxImport.objects.defer("preview").get(pk=import_id)
    subject = f"import from {row.url}"
    if row.state != "previewed":
        return Reason(subject, f"{row.state}", "a preview that nobody has applied", "Ask for a new preview.")
    if digest != row.digest:
        return Reason(subject, "another digest", f"{row.digest[:12]}, the preview's", "Look at the preview again.")
    if row.wrong and not skip_wrong_rows:
        remedy = "Correct them in NetBox and ask again, or leave them out."
        return Reason(subject, f"{row.wrong} wrong row(s)", "none", remedy)
    free = NetboxImport.objects.filter(pk=import_id, apply_asked_at__isnull=True, refused__isnull=True, digest=digest)
    if not free.update(apply_asked_at=now, apply_asked_by=by, skip_wrong_rows=skip_wrong_rows):
        return Reason(subject, "somebody who agreed first", "a preview that nobody has applied", "Look at it again.")
    ring(import_id)
    return None


def run_apply(import_id: int) -> None:
    """Write what was agreed to, once, or note why not."""
    try:
        with transaction.atomic():
            row = _waiting_for_apply(import_id).select_for_update().first()
            if row is not None:
                preview = _agreed(row)
                netbox.apply(preview, now=clock.now(), skip_wrong_rows=row.skip_wrong_rows)
                _waiting_for_apply(import_id).update(applied_at=clock.now())
    except netbox.NotApplied as refused:
        _waiting_for_apply(import_id).update(refused=to_json(refused.reason))
    except Exception as error:  # as above
        reason = Reason(f"import {import_id}", type(error).__name__, "an import", _BROKE)
        _waiting_for_apply(import_id).update(refused=to_json(reason))
        raise


def _agreed(row: NetboxImport) -> Preview:
    """The preview whose digest was agreed to, and no other."""
    preview = Preview.from_json(row.preview)
    if preview.digest != row.digest:
        found, wanted = "a preview that was changed after it was made", f"the digest {row.digest[:12]}"
        raise netbox.NotApplied(Reason(f"import from {row.url}", found, wanted, "Ask for a new preview."))
    return preview


def record(preview: Preview, *, by: str, now: datetime, skip_wrong_rows: bool) -> NetboxImport:
    """Apply a preview that a person saw in the terminal, and keep it beside those of the pages. Raises NotApplied."""
    with transaction.atomic():
        netbox.apply(preview, now=now, skip_wrong_rows=skip_wrong_rows)
        about: Json = preview.as_json()
        return NetboxImport.objects.create(
            url=preview.snapshot.url,
            filters=about["filters"],
            defaults=about["defaults"],
            asked_by=by,
            asked_at=now,
            preview=about,
            digest=preview.digest,
            changes=preview.changes,
            wrong=len(preview.wrong),
            previewed_at=now,
            apply_asked_by=by,
            apply_asked_at=now,
            skip_wrong_rows=skip_wrong_rows,
            applied_at=now,
        )
