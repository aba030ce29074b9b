"""The RSS doctor from end to end: two looks over SSH at a virtual router, page, command, draft; and hostile input."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fleet import clock
from fleet.changes import draft_requests
from fleet.changes.models import Change, DraftRequest, TargetRun
from fleet.core.rss import MICROSOFT_KEY, UDP, Flow
from fleet.core.rss_stored import to_rows
from inventory.models import Observation, QueueLook, Router
from tests.changes import builders

pytestmark = pytest.mark.django_db
HERE, SECONDS = bytes([1, 99, 99, 1]), 10.0


def looked(*, queues: int, packets: dict[int, int], lost: int, soft: float, up: float) -> dict[str, Any]:
    """One look at a card like that of story S4, with a driver that lets its queues be set."""
    key = MICROSOFT_KEY.hex(":")
    vectors = {str(q): {str(cpu): (n // 16 if cpu == q else 0) for cpu in range(8)} for q, n in packets.items()}
    return {
        "boot_id": "b", "kernel": "6.1.0", "uptime": up, "cpus": list(range(40)), "cores": 20, "irqbalance": True,
        "stat": {str(c): [int(up * 100 * (soft if c == 0 else 0.01)), int(up * 100)] for c in range(40)},
        "interfaces": {
            "eth1": {
                "driver": "i40e", "up": True, "queues": queues, "most": 8, "settable": True, "fields": {"udp4": "sdfn"},
                "rss": {"indirection": [n % queues for n in range(512)], "key": key, "function": "toeplitz"},
                "rx": {str(q): n for q, n in packets.items()}, "no_buffer": {"rx_no_bufs": lost},
                "received": sum(packets.values()), "vectors": vectors, "affinity": None,
            }
        },
    }  # fmt: skip


def kept(
    router: Router, *, queues: int = 1, packets: dict[int, int], lost: int = 0, soft: float = 0.1, flows: Any = None
) -> QueueLook:
    zero = dict.fromkeys(packets, 0)
    return QueueLook.objects.create(
        router=router, asked_by="author", asked_at=clock.now(), ended_at=clock.now(), interface="eth1" if flows else "",
        before=looked(queues=queues, packets=zero, lost=0, soft=0.0, up=1000.0),
        after={**looked(queues=queues, packets=packets, lost=lost, soft=0.0, up=1010.0), "stat": {
            str(c): [int(1000 * soft) if c == 0 else 5, 101_000] for c in range(40)
        }} | {},
        flows=to_rows(flows) if flows else [],
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _may_draft(author: User) -> None:
    author.user_permissions.add(Permission.objects.get(codename="add_change"))


@pytest.fixture
def router(db: None) -> Router:
    builders.fleet(["bly", "aebi", "dekker"])
    found = Router.objects.get(name="bly")
    facts = {
        "kernel": "6.1.0",
        "interfaces": {
            "eth1": {
                "nic": {"driver": "i40e", "bus": "0000:3b:00.0"}, "channels": {"combined": 1, "max": {"combined": 8}},
                "rss": {"indirection": [0] * 512, "key": None}, "flow_hash": {"udp4": "sdfn", "udp6": "sdfn"},
                "affinity": {"i40e-eth1-TxRx-0": "0-39"}, "rings": None,
            }
        },
    }  # fmt: skip
    Observation.objects.create(router=found, observed_at=clock.now() - timedelta(minutes=1), facts=facts)
    return found


def page(who: User, router: Router) -> str:
    client = Client()
    client.force_login(who)
    response = client.get(reverse("queues", args=[router.name]))
    assert response.status_code == 200
    return response.content.decode()


def test_story_s4_on_the_page_and_its_draft(router: Router, author: User) -> None:
    """One queue, rx_no_bufs, a core in softirqs: 8 queues with RSS, as a plan that can be approved."""
    row = kept(router, packets={0: 4_000_000}, lost=52_000)
    stat = {**row.after["stat"], "0": [1000, 101_000]}
    before = {**row.before, "stat": {cpu: [0, 100_000] for cpu in stat}}
    QueueLook.objects.filter(pk=row.pk).update(after={**row.after, "stat": stat}, before=before)
    html = page(author, router)
    assert "CPU 0 spends 100% of its time on softirqs" in html
    assert "52000 packets were lost for want of a buffer (rx_no_bufs)" in html
    client = Client()
    client.force_login(author)
    response = client.post(reverse("queues-draft", args=["bly"]), {"interface": "eth1"})
    assert response.status_code == 302
    request = DraftRequest.objects.get()
    assert request.inputs["queues"] == 8 and request.inputs["spread"] is True
    assert draft_requests.take_up(clock.now()) == 1
    request.refresh_from_db()
    assert request.left == []
    change = Change.objects.get()
    assert "rx_no_bufs" in change.description
    plan = change.revision.read_plan()  # type: ignore[union-attr]
    diff = "".join(s.diff for t in plan.targets for s in t.steps)
    assert "eth1, combined queues: 1 -> 8" in diff
    assert "eth1, indirection table: even over 1 -> even over 8" in diff
    assert "irqbalance: stopped and disabled" in diff


def flows(peers: int) -> dict[Flow, int]:
    return {Flow(bytes([1, 99, 99, 2 + n]), HERE, UDP, 4500, 4500): 500 for n in range(peers)}


@pytest.mark.parametrize(
    ("peers", "packets", "words"),
    [
        (1, {4: 9000}, "one peer"),
        (20, {0: 9000}, "The card does not hash this traffic (ESP in UDP"),
    ],
)
def test_story_s1_on_the_page(router: Router, author: User, peers: int, packets: dict[int, int], words: str) -> None:
    kept(router, queues=8, packets={**dict.fromkeys(range(8), 0), **packets}, flows=flows(peers))
    html = page(author, router)
    assert words in html
    assert 'class="heat"' in html
    assert "12.5%" in html or "100.0%" in html


def test_a_form_with_flows_asks_for_a_look(router: Router, author: User) -> None:
    client = Client()
    client.force_login(author)
    address = reverse("queues-look", args=["bly"])
    said = client.post(address, {"flows": "udp,192.0.2.1,4500,192.0.2.2,4500,5"})
    assert said.status_code == 400  # no interface
    file = SimpleUploadedFile("x.pcap", b"\xd4\xc3\xb2\xa1 not a capture")
    assert client.post(address, {"interface": "eth1", "file": file}).status_code == 302
    QueueLook.objects.all().delete()
    assert (
        client.post(address, {"interface": "eth1", "flows": "udp,192.0.2.1,4500,192.0.2.2,4500,5"}).status_code == 302
    )
    row = QueueLook.objects.get()
    assert (row.interface, len(row.flows), row.is_open) == ("eth1", 1, True)
    assert client.post(address, {}).status_code == 302  # asked twice: one look at a time
    assert QueueLook.objects.count() == 1


def test_who_may_only_read_may_not_ask(router: Router) -> None:
    reader = User.objects.create_user("reader")
    client = Client()
    client.force_login(reader)
    assert client.post(reverse("queues-look", args=["bly"])).status_code == 403
    assert client.post(reverse("queues-draft", args=["bly"])).status_code == 403
    assert "Look now" not in page(reader, router)


def test_text_of_a_device_does_no_harm_on_the_page(router: Router, author: User) -> None:
    row = kept(router, packets={0: 9000})
    evil = "<script>alert(1)</script>"
    after = {
        **row.after,
        "interfaces": {evil: {**row.after["interfaces"]["eth1"], "driver": evil, "no_buffer": {evil: 9}}},
    }
    QueueLook.objects.filter(pk=row.pk).update(after=after, before={**after, "uptime": 1000.0})
    assert evil not in page(author, router)


def test_before_and_after_a_change_stand_side_by_side(router: Router, author: User, approver: User) -> None:
    now = clock.now()
    run = builders.running(author, approver, builders.plan([["bly"]]), now - timedelta(hours=2))
    first = kept(router, queues=8, packets={0: 9000} | dict.fromkeys(range(1, 8), 0))
    assert "After it" not in page(author, router), "nothing was changed yet"
    TargetRun.objects.filter(run=run, name="bly").update(
        state="done", changed=True, began_at=now - timedelta(hours=1), ended_at=now - timedelta(minutes=50)
    )
    early = now - timedelta(minutes=70)
    QueueLook.objects.filter(pk=first.pk).update(asked_at=early, ended_at=early)
    assert "After it" not in page(author, router), "nobody has looked since"
    kept(router, queues=8, packets=dict.fromkeys(range(8), 5000))
    shown = page(author, router)
    assert f"change {run.revision.change_id}</a>" in shown and "After it: receive queues by CPUs" in shown


def test_queries_do_not_grow_with_the_looks(router: Router, author: User) -> None:
    counts = []
    for many in (2, 20):
        while QueueLook.objects.count() < many:
            kept(router, queues=8, packets=dict.fromkeys(range(8), 5000), flows=flows(3))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(author, router)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert "Share of each of 8 queues in 20 looks" in page(author, router)


def test_the_command_judges_the_last_look_and_drafts(router: Router, author: User) -> None:
    with pytest.raises(CommandError, match="no look yet"):
        call_command("rss", "bly", "--last")
    kept(router, queues=8, packets={0: 9000, **dict.fromkeys(range(1, 8), 0)}, flows=flows(20))
    out = StringIO()
    from fleet.changes import console

    console.console.file = out
    try:
        call_command("rss", "bly", "eth1", "--last", "--draft", "--user", author.username)
    finally:
        console.console.file = None  # type: ignore[assignment]
    assert "not hashed: The card does not hash this traffic" in out.getvalue()
    assert "nothing to draft" in out.getvalue()
    with pytest.raises(CommandError, match="no such router"):
        call_command("rss", "nobody")
