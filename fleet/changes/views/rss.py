"""The RSS doctor's page of one device: verdict, queues, heat map; buttons to look, and to draft what sets it right."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import rss_aims
from fleet.changes.models import DraftRequest, TargetRun
from fleet.changes.views.access import acts, person, reads
from fleet.changes.views.heat import Drawn, drawn, strip
from fleet.core import explain
from fleet.core.model import Json, Reason
from fleet.core.repair import Repair
from fleet.core.rss import Flow
from fleet.core.rss_doctor import Diagnosis, Says
from fleet.core.rss_flows import read_list
from fleet.core.rss_pcap import read_capture
from fleet.core.rss_remedies import OF_VICS
from fleet.core.rss_report import QueueRow, heat, report, rows, title
from fleet.core.rss_stored import from_rows
from fleet.core.states import TargetState
from fleet.guards import refused
from fleet.people.roles import DRAFT
from inventory import queue_asks
from inventory.models import QueueLook, Router
from inventory.views import device as of_inventory

LARGEST = 10 * 2**20  # bytes of a file of flows that is sent by form; longer ones by command
MOST_PACKETS_BY_FORM = 100_000
OVER_TIME = 24  # looks in the picture over time
QUEUES_SHOWN = 128

_MARKS = {Says.FINE: ("check", "good"), Says.CANNOT_TELL: ("unsure", "calm")}


@dataclass(frozen=True)
class ShownCard:
    """One interface as the page shows it."""

    found: Diagnosis
    rows: tuple[tuple[str, ...], ...]
    more: int
    heat: Drawn | None
    past: Drawn | None
    earlier: Drawn | None = None  # as it was before the last change of the device

    @property
    def findings(self) -> list[tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]]]:
        """Icon, tone, verdict, words, reasons, advice."""
        made = []
        for one in self.found.findings:
            icon, tone = _MARKS.get(one.says, ("alarm", "care"))
            made.append((icon, tone, one.says.value, one.words, tuple(map(str, one.reasons)), one.advice))
        return made

    @property
    def draft(self) -> str:
        """What the button drafts, in words; empty: nothing."""
        return title(self.found.repairs[0]) if self.found.repairs else ""


@reads
def queues(request: HttpRequest, name: str) -> HttpResponse:
    """What the last look says of each interface. Five queries."""
    router = of_inventory.find(name)
    looks = list(QueueLook.objects.filter(router=router).defer("flows")[:OVER_TIME])
    waiting = next((look for look in looks if look.is_open), None)
    newest = next((look for look in looks if look.after is not None), None)
    failed = looks[0] if looks and not looks[0].is_open and looks[0].after is None else None
    past = [(look.before, look.after) for look in reversed(looks) if look.after is not None]
    changed = _last_change(router)
    earlier = _before(looks, changed)
    cards = _cards(router, newest, past, earlier) if newest is not None else []
    content = {
        "router": router, "cards": cards, "look": newest, "waiting": waiting, "failed": failed, "now": clock.now(),
        "changed": changed if earlier is not None else None, "earlier": earlier,
        "may_draft": request.user.has_perm(DRAFT), "names": [c.found.card.name for c in cards],
    }  # fmt: skip
    return render(request, "inventory/queues.html", content)


def _last_change(router: Router) -> TargetRun | None:
    """The last change that changed something on this device."""
    rows = TargetRun.objects.filter(router=router, state=TargetState.DONE, changed=True, began_at__isnull=False)
    return rows.select_related("run__revision").only(
        "began_at", "ended_at", "run__revision__change_id"
    ).order_by("-ended_at").first()  # fmt: skip


def _before(looks: list[QueueLook], changed: TargetRun | None) -> QueueLook | None:
    """The newest look from before that change, where there is also one from after it."""
    if changed is None or changed.began_at is None or changed.ended_at is None:
        return None
    seen = [look for look in looks if look.after is not None and look.ended_at is not None]
    if not any(look.asked_at >= changed.ended_at for look in seen[:1]):
        return None
    return next((look for look in seen if look.ended_at and look.ended_at <= changed.began_at), None)


def _cards(
    router: Router, look: QueueLook, past: list[tuple[Json, Json]], earlier: QueueLook | None = None
) -> list[ShownCard]:
    flows = from_rows(QueueLook.objects.values_list("flows", flat=True).get(pk=look.pk)) if look.interface else {}
    made = []
    for found in report(router.name, look.before, look.after, flows=flows, interface=look.interface if flows else ""):
        name, listed = found.card.name, rows(found)
        made.append(
            ShownCard(
                found,
                tuple(_texts(row) for row in listed[:QUEUES_SHOWN]),
                max(0, len(listed) - QUEUES_SHOWN),
                drawn(heat(look.before, look.after, name)),
                strip(past, name),
                drawn(heat(earlier.before, earlier.after, name)) if earlier is not None else None,
            )
        )
    return sorted(made, key=lambda card: card.found.is_fine)


def _texts(row: QueueRow) -> tuple[str, ...]:
    shares = (row.seen, row.predicted, row.best)
    return (str(row.queue), *("" if share is None else f"{share:.1%}" for share in shares))


@acts(DRAFT)
def look(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for two looks, with the flows of an interface where they are given or to be captured."""
    router = of_inventory.find(name)
    interface = request.POST.get("interface", "").replace("\x00", "")[:64]
    flows = _flows(request)
    if isinstance(flows, Reason):
        return refused(request, [flows], status=400)
    capture = request.POST.get("capture") == "on"
    if (flows or capture) and not interface:
        wanted = Reason("interface", "none", "the one on which these flows arrive", "Choose it.")
        return refused(request, [wanted], status=400)
    if not QueueLook.objects.filter(router=router, ended_at__isnull=True).exists():
        queue_asks.ask(
            router, by=str(person(request)), now=clock.now(), interface=interface, flows=flows, capture=capture
        )
    return redirect("queues", name)


def _flows(request: HttpRequest) -> dict[Flow, int] | Reason:
    """Flows out of the file or the field of the form."""
    file = request.FILES.get("file")
    text = request.POST.get("flows", "")[:LARGEST]
    if file is not None and not isinstance(file, list):
        data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            remedy = "Longer ones by command: ./manage.py rss DEVICE INTERFACE --pcap FILE."
            return Reason("file of flows", f"more than {LARGEST // 2**20} MiB", "a shorter one", remedy)
        captured = read_capture(data, most=MOST_PACKETS_BY_FORM)
        if not isinstance(captured, Reason):
            return dict(captured.flows)
        text = data.decode("utf-8", errors="replace")
    listed = read_list(text)
    if listed.reasons and not listed.flows:
        return listed.reasons[0]
    return dict(listed.flows)


@acts(DRAFT)
def draft(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for the draft that the last look leads to, for one interface. The engine plans it."""
    router = of_inventory.find(name)
    newest = QueueLook.objects.filter(router=router, after__isnull=False).first()
    interface = request.POST.get("interface", "")[:64]
    cards = _cards(router, newest, []) if newest is not None else []
    found = next((c.found for c in cards if c.found.card.name == interface and c.found.repairs), None)
    if found is None:
        gone = Reason(f"queues of {interface}", "nothing to set right", "a verdict with a change", "Look again.")
        return refused(request, [gone], status=409)
    # A machine whose vNICs are changed reboots once: all of them are looked at together.
    wanted = rss_aims.aimed(one for card in cards for one in card.found.repairs if one.recipe in OF_VICS)
    repair = wanted[0] if wanted and found.repairs[0].recipe in OF_VICS else found.repairs[0]
    row = _request(found, repair, request, clock.now())
    return redirect("draft-request", row.pk)


def _request(found: Diagnosis, repair: Repair, request: HttpRequest, now: datetime) -> DraftRequest:
    words = [one.words for one in found.findings]
    words += explain.sentences(r for one in found.findings for r in one.reasons)
    return DraftRequest.objects.create(
        asked_by=person(request), asked_at=now, title=title(repair), recipe=repair.recipe,
        inputs=dict(repair.inputs), names=list(repair.targets),
        description="The RSS doctor says:\n\n" + "\n".join(words)[:1800],
    )  # fmt: skip
