"""What an import would do, before it does it: creates, updates, unchanged, missing; and why it may not."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from fleet.core.model import Json
from inventory import host_key
from inventory.importers import rows
from inventory.importers.document import Document, Entry, read
from inventory.importers.plain import PLAIN
from inventory.importers.problems import Problem
from inventory.importers.references import check
from inventory.importers.rows import Fields, RowKind, Rows

_REMOVE_FIRST = "Remove or change it in the admin first: an import removes nothing."


@dataclass(frozen=True)
class FieldChange:
    """One value that would change. `before` is None when the row is new."""

    field: str
    before: Json
    after: Json


@dataclass(frozen=True)
class Change:
    """One row that would be written. `row_id` is the row of a link or promise that is updated."""

    kind: RowKind
    name: str
    fields: tuple[FieldChange, ...]
    row_id: int | None = None

    def after(self) -> dict[str, Json]:
        return {change.field: change.after for change in self.fields}


@dataclass(frozen=True)
class Missing:
    """A row of the database that the file does not have. It is named and left alone."""

    kind: RowKind
    name: str


@dataclass(frozen=True)
class Preview:
    """The answer of `yaml_file.preview`. With errors nothing can be applied and the lists of rows are empty."""

    creates: tuple[Change, ...] = ()
    updates: tuple[Change, ...] = ()
    unchanged: int = 0
    missing: tuple[Missing, ...] = ()
    errors: tuple[Problem, ...] = ()
    skipped: tuple[Problem, ...] = ()  # why entries were left out, where that was asked for
    document: Document = field(default_factory=Document)
    accept_new_host_keys: bool = False

    @property
    def changes(self) -> int:
        """How many rows would be written."""
        return len(self.creates) + len(self.updates)


def of_text(text: str, *, accept_new_host_keys: bool, skip_wrong_rows: bool = False) -> Preview:
    """Read a file's text, check it whole, and compare it with the database. No query for a wrong file."""
    document, problems = read(text)
    return of_entries(document, problems, accept_new_host_keys=accept_new_host_keys, skip_wrong_rows=skip_wrong_rows)


def of_entries(
    document: Document,
    problems: Sequence[Problem],
    *,
    accept_new_host_keys: bool,
    skip_wrong_rows: bool,
    ignore: Collection[Problem] = (),
) -> Preview:
    """Check what was read between its entries and against the database. `ignore`: what was wrong before.

    With `skip_wrong_rows` an entry with a problem is left out, and then those that only made sense with it, until
    what is left has none. A problem of the file as a whole leaves nothing to import.
    """
    found = sorted({*problems, *check(document, problems)} - set(ignore))
    skipped: set[Problem] = set()
    while True:
        preview = of_document(document, accept_new_host_keys=accept_new_host_keys) if not found else None
        if preview is not None and not preview.errors:
            return replace(preview, skipped=tuple(sorted(skipped)))
        wrong = tuple(preview.errors) if preview is not None else tuple(found)
        if not skip_wrong_rows or not all(problem.row for problem in wrong):
            return Preview(errors=tuple(sorted({*skipped, *wrong})))
        skipped |= set(wrong)
        document = document.without(frozenset(problem.row for problem in wrong))
        found = sorted(set(check(document)) - set(ignore))


def of_document(document: Document, *, accept_new_host_keys: bool) -> Preview:
    """Compare a document without problems with the database. Eight queries, and one per optional section."""
    want, have = rows.wanted(document), rows.stored(document.sections)
    links, link_problems = _match_links(document, want, have)
    problems = [*_taken(document, want, have), *_taken_plain(document, want, have), *link_problems]
    if not accept_new_host_keys:
        problems += _other_host_keys(document, want, have)
    if problems:
        return Preview(errors=tuple(sorted(set(problems))))
    said = rows.wanted(document.given()) if document.partial else want
    creates, updates, unchanged, missing = [], [], 0, []
    for kind in RowKind:
        matched: set[str] = set()
        for name, fields in want[kind].items():
            stored_name = links.get(name, name) if kind is RowKind.LINK else name
            before = have[kind].get(stored_name)
            matched.add(stored_name)
            if before is None:
                creates.append(Change(kind, name, tuple(FieldChange(f, None, v) for f, v in fields.items())))
            elif changed := _changed(before, fields):
                updates.append(Change(kind, name, changed, before.get(rows.ID)))
            elif name in said[kind]:
                unchanged += 1
        if kind is not RowKind.HOST_KEY and not document.partial:  # a file may leave the key out
            missing += [Missing(kind, name) for name in have[kind] if name not in matched]
    return Preview(
        creates=tuple(creates),
        updates=tuple(updates),
        unchanged=unchanged,
        missing=tuple(missing),
        document=document,
        accept_new_host_keys=accept_new_host_keys,
    )


def _taken_plain(document: Document, want: Rows, have: Rows) -> Iterator[Problem]:
    """What an entry claims while a row outside the file has it."""
    for spec in PLAIN:
        outside = {n: f for n, f in have[spec.kind].items() if n not in want[spec.kind]}
        held = {claim: name for name, fields in outside.items() if (claim := spec.claim(fields))}
        for entry in document.entries(spec.section) if held else ():
            claim = spec.claim(entry.values)
            if claim and claim in held:
                found = f"{' '.join(map(str, claim))}, which the {spec.kind} {held[claim]} of the database has"
                yield entry.problem(spec.once[0], found, f"each {' with '.join(spec.once)} once", _REMOVE_FIRST)


def _changed(before: Fields, after: Fields) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(f, before.get(f), value) for f, value in after.items() if before.get(f) != value)


def _match_links(document: Document, want: Rows, have: Rows) -> tuple[dict[str, str], list[Problem]]:
    """Wanted link -> stored link that was re-cabled: it shares an interface and is itself not in the file any more.

    An interface that is then still held by a link outside the file is a problem: one of the two is not true.
    """
    wanted, stored = want[RowKind.LINK], have[RowKind.LINK]
    holder = {end: name for name, f in stored.items() if name not in wanted for end in f["ends"] if ":" in end}
    moved: dict[str, str] = {}
    for name, fields in wanted.items():
        if name not in stored:
            free = [holder[e] for e in fields["ends"] if e in holder and holder[e] not in moved.values()]
            if free:
                moved[name] = free[0]
    problems = []
    for entry in document.entries("links"):
        for key in ("a", "b"):
            end = rows.end_name(*entry.values[key])
            other = holder.get(end)
            if other is not None and other not in moved.values():
                found = f"{end}, which the link {other} of the database uses; that link is not in the file"
                problems.append(entry.problem(key, found, "each interface in one link", _REMOVE_FIRST))
    return moved, problems


def _taken(document: Document, want: Rows, have: Rows) -> Iterator[Problem]:
    """What a router or external of the file claims while a row outside the file has it."""
    outside = {n: f for n, f in have[RowKind.ROUTER].items() if n not in want[RowKind.ROUTER]}
    by_address = {(f["address"], f["port"]): n for n, f in outside.items()}
    by_router_id = {f["router_id"]: n for n, f in outside.items() if f["router_id"]}
    for name, entry in document.names("routers").items():
        values = entry.values
        reached = (values["address"], values["port"])
        if other := by_address.get(reached):
            yield _claim(entry, "address", f"[{reached[0]}]:{reached[1]}", other, "each address with its port once")
        if other := by_router_id.get(values["router_id"]):
            yield _claim(entry, "router_id", values["router_id"], other, "each router id once")
        if name in have[RowKind.EXTERNAL]:
            yield entry.problem("name", f"{name}, an external of the database", "one device per name", _REMOVE_FIRST)
    for name, entry in document.names("externals").items():
        if name in have[RowKind.ROUTER]:
            yield entry.problem("name", f"{name}, a router of the database", "one device per name", _REMOVE_FIRST)


def _claim(entry: Entry, key: str, value: str, other: str, wanted: str) -> Problem:
    found = f"{value}, which the router {other} of the database has; it is not in the file"
    return entry.problem(key, found, wanted, f"If it is the same device, call it {other}. {_REMOVE_FIRST}")


def _other_host_keys(document: Document, want: Rows, have: Rows) -> Iterator[Problem]:
    for name, fields in want[RowKind.HOST_KEY].items():
        before = have[RowKind.HOST_KEY].get(name)
        if before is not None and before["key"] != fields["key"]:
            old, new = (host_key.fingerprint(text.split()[1]) for text in (before["key"], fields["key"]))
            remedy = (
                "Find out at the device itself why its key changed (reinstalled, or somebody in between); "
                "then import with --accept-new-host-keys."
            )
            yield document.names("routers")[name].problem("host_key", new, f"{old}, the key on record", remedy)
