"""Say why one core works while the others sleep: look at the queues of a device, and draft what sets it right."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console, rss_aims, rss_drafts
from fleet.core.model import Json, Reason, to_json
from fleet.core.rss import Flow
from fleet.core.rss_doctor import Diagnosis
from fleet.core.rss_flows import read_list
from fleet.core.rss_pcap import read_capture
from fleet.core.rss_report import report, rows
from fleet.core.rss_stored import from_rows
from inventory import queue_asks, queue_looks
from inventory.console import add_json, print_json, printable, table
from inventory.models import QueueLook, Router

LARGEST = 256 * 2**20  # bytes of a file of flows


class Command(BaseCommand):
    """./manage.py rss bly; ./manage.py rss bly eth1 --flows FILE | --pcap FILE | --capture; --draft."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("router")
        parser.add_argument("interface", nargs="?", default="", help="only this one; flows are always of one")
        flows = parser.add_mutually_exclusive_group()
        flows.add_argument("--flows", metavar="FILE", help="its flows, one a line (docs/rss.md)")
        flows.add_argument("--pcap", metavar="FILE", help="its flows, out of a capture (pcap, pcapng)")
        flows.add_argument("--capture", action="store_true", help="capture them on the device, at most 8 s (tcpdump)")
        parser.add_argument("--draft", action="store_true", help="draft the changes that set it right")
        parser.add_argument("--last", action="store_true", help="judge the last look again, without a new one")
        add_json(parser)
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        router = Router.objects.filter(name=options["router"]).first()
        if router is None:
            raise CommandError(f"router {options['router']}: found no such router, wanted one of the inventory.")
        look = _last(router) if options["last"] else _look(router, options)
        flows = from_rows(look.flows)
        name = options["interface"]
        found = report(router.name, look.before, look.after, flows=flows if name else None, interface=name)
        found = tuple(one for one in found if not name or one.card.name == name)
        if options["json"]:
            print_json([_json(one) for one in found])
        else:
            _print(look, found)
        if options["draft"]:
            _draft(found, options)


def _last(router: Router) -> QueueLook:
    look = QueueLook.objects.filter(router=router, after__isnull=False).first()
    if look is None:
        raise CommandError(f"router {router.name}: found no look yet, wanted one. Leave out --last.")
    return look


def _look(router: Router, options: dict[str, Any]) -> QueueLook:
    flows = _flows(options)
    if (flows or options["capture"]) and not options["interface"]:
        raise CommandError("rss: found flows without an interface, wanted the interface on which they arrive.")
    look = queue_asks.ask(
        router, by=options["user"], now=clock.now(), interface=options["interface"], flows=flows,
        capture=options["capture"],
    )  # fmt: skip
    queue_looks.carry_out(look.pk)
    look.refresh_from_db()
    if look.after is None:
        raise CommandError("\n".join(look.reasons) or f"queues of {router.name}: no answer.")
    return look


def _flows(options: dict[str, Any]) -> dict[Flow, int]:
    path = options["flows"] or options["pcap"]
    if not path:
        return {}
    try:
        if Path(path).stat().st_size > LARGEST:
            raise CommandError(f"{path}: found more than {LARGEST // 2**20} MiB, wanted a shorter capture.")
        data = Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: found {error.strerror}, wanted a file that can be read.") from None
    if options["pcap"]:
        captured = read_capture(data)
        if isinstance(captured, Reason):
            raise CommandError(f"{path}: {captured}")
        return dict(captured.flows)
    listed = read_list(data.decode("utf-8", errors="replace"))
    for reason in listed.reasons:
        console.console.print(printable(f"left out: {reason}"), markup=False, highlight=False)
    return dict(listed.flows)


def _json(found: Diagnosis) -> Json:
    return {
        "interface": found.card.name,
        "driver": found.card.driver,
        "queues": found.card.queues,
        "fine": found.is_fine,
        "findings": [
            {
                "says": one.says.value, "words": one.words, "reasons": [str(r) for r in one.reasons],
                "advice": list(one.advice), "change": to_json(one.repair) if one.repair else None,
            }
            for one in found.findings
        ],
        "seen_by": found.seen_by,
        "spread": [to_json(row) for row in rows(found)],
    }  # fmt: skip


def _print(look: QueueLook, found: tuple[Diagnosis, ...]) -> None:
    out = console.console
    for reason in look.reasons:
        out.print(printable(f"left out: {reason}"), markup=False, highlight=False)
    if not found:
        out.print("no interface with queues was seen")
    for one in found:
        out.print(printable(f"{one.card.name} ({one.card.driver or 'driver unknown'})"), style="bold", markup=False)
        for finding in one.findings:
            out.print(printable(f"  {finding.says}: {finding.words}"), markup=False, highlight=False)
            for line in (*(str(r) for r in finding.reasons), *finding.advice):
                out.print(printable(f"    - {line}"), markup=False, highlight=False)
        if any(row.seen is not None or row.predicted is not None for row in rows(one)):
            cells = ((row.queue, _share(row.seen), _share(row.predicted), _share(row.best)) for row in rows(one))
            table("", ("queue", f"seen ({one.seen_by or 'nothing'})", "predicted", "best"), cells)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _draft(found: tuple[Diagnosis, ...], options: dict[str, Any]) -> None:
    wanted = rss_aims.aimed(repair for one in found for repair in one.repairs)
    if not wanted:
        console.console.print("nothing to draft")
        return
    made = rss_drafts.draft(wanted, found, author=console.person(options["user"]), now=clock.now())
    for change in made.changes:
        console.console.print(printable(f"drafted {change}"), markup=False, highlight=False)
    for reason in made.left:
        console.console.print(printable(f"left: {reason}"), markup=False, highlight=False)
