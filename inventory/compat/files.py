"""All that is known: the files that come with Slipway, and those in the directory SLIPWAY_COMPAT_DIR."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from fleet.core.compat import Advisory, Knowledge, Row, Status, Told
from fleet.core.model import Reason
from inventory.compat.reading import Sheet, Withdrawal, read
from inventory.importers.problems import Problem, did_you_mean

SHIPPED = Path(__file__).parent / "data"


def knowledge() -> Knowledge:
    """Every row and advisory, the user's beside the shipped ones. A file that changed is read again."""
    folder = settings.SLIPWAY_COMPAT_DIR
    return of_folders([SHIPPED, *([Path(folder)] if folder else [])])


def of_folders(folders: Iterable[Path]) -> Knowledge:
    """The rows and advisories of all *.yaml in these folders; the same id twice keeps the first."""
    sheets: list[Sheet] = []
    wrong: list[Reason] = []
    for folder in folders:
        if not folder.is_dir():
            remedy = "Make it, or correct the setting."
            wrong.append(Reason("SLIPWAY_COMPAT_DIR", f"no directory {folder.name!r}", "a directory", remedy))
            continue
        for path in sorted(folder.glob("*.y*ml")):
            sheet = _sheet(path)
            sheets.append(sheet)
            reasons = (problem.reason() for problem in sheet.problems)
            wrong += [replace(reason, subject=f"{path.name} {reason.subject}") for reason in reasons]
    return _together(sheets, wrong)


def _sheet(path: Path) -> Sheet:
    try:
        stat = path.stat()
        return _read_once(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror or "not readable" if isinstance(error, OSError) else "bytes that are not UTF-8"
        return Sheet(problems=(_unreadable(found),))


def _unreadable(found: str) -> Problem:
    return Problem(0, "file", found, "a file that can be read", "Correct its rights or its encoding.")


@lru_cache(maxsize=256)
def _read_once(path: Path, changed_ns: int, size: int) -> Sheet:
    return read(path.read_text(encoding="utf-8"), path.name)


def _together(sheets: Iterable[Sheet], wrong: list[Reason]) -> Knowledge:
    rows: dict[str, Row] = {}
    advisories: dict[str, Advisory] = {}
    taken: dict[str, str] = {}
    withdrawals: list[Withdrawal] = []
    for sheet in sheets:
        for row in sheet.rows:
            if _first(row.id, row.told, taken, wrong):
                rows[row.id] = row
        for advisory in sheet.advisories:
            if _first(advisory.id, advisory.told, taken, wrong):
                advisories[advisory.id] = advisory
        withdrawals += sheet.withdrawals
    for withdrawal in withdrawals:
        if withdrawal.id in rows:
            rows[withdrawal.id] = replace(rows[withdrawal.id], told=_withdrawn(rows[withdrawal.id].told, withdrawal))
        elif withdrawal.id in advisories:
            found = advisories[withdrawal.id]
            advisories[withdrawal.id] = replace(found, told=_withdrawn(found.told, withdrawal))
        else:
            remedy = did_you_mean(withdrawal.id, taken).strip()
            wrong.append(Reason(f"{withdrawal.place} withdraw", repr(withdrawal.id), "an id that exists", remedy))
    return Knowledge(tuple(rows.values()), tuple(advisories.values()), tuple(wrong))


def _first(id_: str, told: Told, taken: dict[str, str], wrong: list[Reason]) -> bool:
    if id_ in taken:
        found = f"{id_!r}, taken by {taken[id_]}"
        wrong.append(Reason(f"{told.place} id", found, "an id of its own", "Rename it; `withdraw` takes a row back."))
        return False
    taken[id_] = told.place
    return True


def _withdrawn(told: Told, by: Withdrawal) -> Told:
    because = f"{by.because} ({by.place})"
    return replace(told, status=Status.WITHDRAWN, because=because, withdrawn=by.withdrawn)
