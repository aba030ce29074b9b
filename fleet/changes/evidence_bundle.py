"""The evidence of one change as one zip: JSON for machines, one page of HTML that prints, the hash chain to check both.

The same rows give the same bytes: no clock is read, entries are sorted and carry no time. Secrets are taken out
(core/redact.py), what is too large is replaced by its digest, and the manifest says so.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from django.template.loader import render_to_string

from fleet.changes import evidence_parts, seals
from fleet.changes.models import Change, EventSeal, Run
from fleet.core import redact
from fleet.core.model import Json

FORMAT = "slipway-evidence/1"
# A soak of 300 devices measures 1.2 MB; one value of more than 256 KiB is a table of routes, and its digest is enough.
MOST_OF_A_VALUE = 256 * 1024
# All measurements together; what is beyond is kept in the database and named by its digest. A change of 10,000
# devices makes about 60 MB of events, compressed to 6.
MOST_OF_MEASUREMENTS = 32 * 1024 * 1024
MOST_EVENTS = 250_000
# The page is for people: whoever wants more opens the JSON.
TARGETS_SHOWN, EVENTS_SHOWN = 500, 2_000
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold

# Parts that other rooms add: name of the file without ".json", and what makes it from a change.
Part = Callable[[Change], Json]
_more: dict[str, Part] = {}


def add_part(name: str, part: Part) -> None:
    """Let every bundle have one more JSON file. Called once, when an app is ready."""
    _more[name] = part


@dataclass
class _Writer:
    """A zip that is written entry by entry; what was written is remembered for the manifest."""

    archive: zipfile.ZipFile
    prefix: str
    files: dict[str, dict[str, Json]] = field(default_factory=dict)

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        info = zipfile.ZipInfo(f"{self.prefix}/{name}", _LONG_AGO)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        info.create_system = 3
        digest, size = hashlib.sha256(), 0
        with self.archive.open(info, "w", force_zip64=True) as entry:
            for chunk in chunks:
                entry.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.files[name] = {"sha256": digest.hexdigest(), "bytes": size}

    def json(self, name: str, content: Json) -> None:
        self.write(name, [dump(content)])


def dump(content: Json) -> bytes:
    """JSON as every file of a bundle has it: sorted keys, indented, ASCII only, a newline at the end."""
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()


def file_name(change: Change) -> str:
    """What the file is called when somebody keeps it."""
    return f"slipway-change-{change.pk}.zip"


def write(change: Change, file: IO[bytes]) -> None:
    """Write the bundle of a change into a binary file that can be sought. Seals what is unsealed first.

    About twenty queries, whatever the size; events and steps are streamed.
    """
    seals.seal(change.pk)
    revision = change.revision
    run = Run.objects.filter(revision__change=change).select_related("started_by", "revision").order_by("-pk").first()
    if run is not None:
        revision = run.revision
    left_out: list[str] = []
    with zipfile.ZipFile(file, "w", compresslevel=6) as archive:
        writer = _Writer(archive, f"slipway-change-{change.pk}")
        about = redact.value(evidence_parts.change(change))
        approvals = redact.value(evidence_parts.approvals(change))
        writer.json("approvals.json", approvals)
        writer.json("change.json", about)
        head = _events(change, writer, left_out)
        for name in sorted(_more):
            writer.json(f"{name}.json", redact.value(_more[name](change)))
        if revision is not None:
            plan = redact.value(revision.plan)
            if plan != revision.plan:
                left_out.append("secrets were taken out of plan.json: its digest cannot be recomputed from the file")
            writer.json("plan.json", plan)
            writer.write("recipe.yaml", [redact.text(revision.recipe_text).encode()])
        targets: list[dict[str, Json]] = []
        if run is not None:
            writer.json("run.json", redact.value(evidence_parts.run(run)))
            targets = _targets(run, writer, left_out)
        page = _page(change, about, approvals, targets, head, left_out)
        writer.write("index.html", [page.encode()])
        manifest = {
            "format": FORMAT,
            "change": change.pk,
            "state": change.state,
            "plan_digest": revision.digest if revision is not None else None,
            "events": head,
            "left_out": left_out,
            "files": writer.files,
        }
        writer.json("manifest.json", manifest)


def _events(change: Change, writer: _Writer, left_out: list[str]) -> dict[str, Json]:
    """One line of JSON for each sealed event, in order, with its link. Returns the head of the chain."""
    rows = EventSeal.objects.filter(change=change).select_related("event").order_by("number")
    head: dict[str, Json] = {"links": 0, "hash": "", "withheld": 0}

    def lines() -> Iterator[bytes]:
        for row in rows[:MOST_EVENTS].iterator(chunk_size=2000):
            said = seals.said(row.event)
            shown = redact.value(said)
            line = {**shown, "number": row.number, "hash": row.hash}
            if shown != said:
                line["withheld"] = True
                head["withheld"] += 1
            head.update(links=row.number, hash=row.hash)
            yield json.dumps(line, sort_keys=True, ensure_ascii=True).encode() + b"\n"

    writer.write("events.jsonl", lines())
    if head["withheld"]:
        left_out.append(f"secrets were taken out of {head['withheld']} events: only their links can be checked")
    if (all_of_them := rows.count()) > head["links"]:
        left_out.append(f"{all_of_them - head['links']} later events: ./manage.py verify_events {change.pk}")
    return head


def _targets(run: Run, writer: _Writer, left_out: list[str]) -> list[dict[str, Json]]:
    """One line of JSON for each target with its steps, measurements and times. Returns what the page shows of them."""
    shown: list[dict[str, Json]] = []
    spent, digests = 0, 0

    def bounded(step: dict[str, Any]) -> dict[str, Any]:
        nonlocal spent, digests
        text = json.dumps(step["measured"], sort_keys=True, separators=(",", ":"))
        if len(text) > MOST_OF_A_VALUE or spent + len(text) > MOST_OF_MEASUREMENTS:
            digests += 1
            step["measured"] = {"left_out_sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
        else:
            spent += len(text)
        return step

    def lines() -> Iterator[bytes]:
        for target in evidence_parts.targets(run):
            value = redact.value(target)
            value["steps"] = [bounded(step) for step in value["steps"]]
            if len(shown) < TARGETS_SHOWN:
                shown.append(value)
            yield json.dumps(value, sort_keys=True, ensure_ascii=True).encode() + b"\n"

    writer.write("targets.jsonl", lines())
    if digests:
        left_out.append(f"{digests} measurements that are too large: their SHA-256 stands for them")
    return shown


def _page(
    change: Change, about: Json, approvals: Json, targets: list[dict[str, Json]], head: Json, left_out: list[str]
) -> str:
    events = EventSeal.objects.filter(change=change).select_related("event").order_by("number")[:EVENTS_SHOWN]
    context = {
        "about": about,
        "approvals": approvals,
        "targets": targets,
        "events": [{**redact.value(seals.said(row.event)), "number": row.number, "hash": row.hash} for row in events],
        "head": head,
        "left_out": left_out,
        "targets_shown": TARGETS_SHOWN,
        "events_shown": EVENTS_SHOWN,
    }
    return render_to_string("evidence/index.html", context)
