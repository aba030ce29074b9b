"""Sections that may be left out, rows that are left out, and CSV; the second time there is nothing to write."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import models
from inventory.importers import csv_file, yaml_file
from inventory.importers.apply import NotApplied
from inventory.importers.preview import Preview
from inventory.importers.rows import RowKind
from tests.inventory.fleet_file import pods, wishes

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]


def load(text: str, now: datetime, *, skip: bool = False) -> Preview:
    preview = yaml_file.preview(text, skip_wrong_rows=skip)
    assert not preview.errors, "\n".join(map(str, preview.errors))
    yaml_file.apply(preview, now=now)
    return preview


def test_everything_that_a_file_may_say_is_written_once(now: datetime) -> None:
    text = pods(4).replace("role: edge", "kind: host, tags: [b, a], role: edge", 1) + wishes(4)
    load(text, now)
    r0 = models.Router.objects.get(name="r0")
    assert (r0.kind, r0.tags, models.Router.objects.get(name="r1").kind) == ("host", ["a", "b"], "router")
    fast = models.Profile.objects.get(name="fast")
    assert (fast.parent, fast.weight, fast.settings) == (models.Profile.objects.get(name="base"), 1, {"nic.queues": 8})
    assert {str(a) for a in fast.assignments.all()} == {
        "fast to role edge", "fast to site N", "fast to NIC model 8086:1583",
        *(f"fast to device r{n}" for n in range(4)),
    }  # fmt: skip
    profile = models.ServiceProfile.objects.get(router=r0)
    assert profile.template is not None and profile.template.name == "template"
    assert profile.adapter_policy is not None and profile.adapter_policy.rss
    assert models.Card.objects.get(serial="68-05-0").router == r0
    assert models.Artifact.objects.get().brings[0]["flavour"] == "vendor"
    again = yaml_file.preview(text)
    assert (again.changes, again.missing) == (0, ())
    for row in (*models.Profile.objects.all(), *models.Assignment.objects.all(), *models.Artifact.objects.all()):
        row.full_clean()


def test_what_moves_is_updated_also_where_two_trade(now: datetime) -> None:
    load(pods(2) + wishes(2), now)
    text = pods(2) + wishes(2).replace("port: 1000", "port: X").replace("port: 1001", "port: 1000").replace(
        "port: X", "port: 1001"
    ).replace("68-05-0, router: r0", "68-05-0, router: r1").replace("parent: base, weight: 1", "weight: 2").replace(
        "org-root/ls-t, router: r0", "org-root/ls-t, router: X"
    ).replace("org-root/ls-t, router: r1", "org-root/ls-t, router: r0").replace("router: X", "router: r1")
    preview = load(text, now)
    changed = {(c.kind, f.field) for c in preview.updates for f in c.fields}
    assert changed == {
        (RowKind.CONSOLE, "port"), (RowKind.CARD, "router"), (RowKind.PROFILE, "parent"), (RowKind.PROFILE, "weight"),
        (RowKind.SERVICE_PROFILE, "router"),
    }  # fmt: skip
    assert yaml_file.preview(text).changes == 0
    assert models.Profile.objects.get(name="fast").parent is None
    assert models.ServiceProfile.objects.get(name="ls-0").router.name == "r1"  # type: ignore[union-attr]


def test_a_file_without_a_section_says_nothing_about_it(now: datetime) -> None:
    load(pods(2) + wishes(2), now)
    assert yaml_file.preview(pods(2)).missing == ()
    one = yaml_file.preview(pods(2) + "cards:\n  - {serial: 68-05-1, router: r1, model: XL710}\n")
    assert [(m.kind, m.name) for m in one.missing] == [(RowKind.CARD, "68-05-0")]


def test_what_a_row_outside_the_file_holds_is_an_error(now: datetime) -> None:
    load(pods(4) + wishes(4), now)
    text = pods(4) + "consoles:\n  - {router: r0, kind: serial, address: 192.0.2.1, port: 1003, credential: lab}\n"
    (error,) = yaml_file.preview(text).errors
    assert "192.0.2.1 1003, which the console r3 ipmi of the database has" in str(error)


@pytest.mark.parametrize("routers", [10, 100])
def test_queries_do_not_grow(routers: int, now: datetime) -> None:
    text = pods(routers) + wishes(routers)
    with CaptureQueriesContext(connection) as previewed:
        preview = yaml_file.preview(text)
    with CaptureQueriesContext(connection) as applied:
        yaml_file.apply(preview, now=now)
    assert len(previewed) == 17 and len(applied) <= 70


WRONG = (
    pods(4).replace("name: r1, site: S", "name: r1, site: X").replace("capacity: 10G", "capacity: ten", 1)
    + "cards:\n  - {serial: a-1, router: r1}\n  - {serial: a-2, router: r2}\n  - {serial: a-2, router: r3}\n"
)


def test_a_wrong_row_leaves_nothing_imported_unless_the_rest_is_asked_for(now: datetime) -> None:
    refused = yaml_file.preview(WRONG)
    assert len(refused.errors) == 3 and not refused.skipped
    with pytest.raises(NotApplied):
        yaml_file.apply(refused, now=now)
    preview = load(WRONG, now, skip=True)
    said = [str(problem) for problem in preview.skipped]
    # The router, its link and its card; then what only made sense with them.
    assert any("routers.r1.site: found 'X', which is not in sites" in line for line in said)
    assert any("links.1.capacity: found 'ten'" in line for line in said)
    assert any("cards.1.router: found 'r1', which is not in routers" in line for line in said)
    assert any("a-2 (r3), which cards.2, line" in line and "(r2) has too" in line for line in said)
    assert any(line.startswith("line") and "keep_connected.1.between" in line for line in said)
    assert sorted(models.Router.objects.values_list("name", flat=True)) == ["r0", "r2", "r3"]
    assert list(models.Card.objects.values_list("serial", "router__name")) == [("a-2", "r2")]
    assert models.Link.objects.count() == 3
    assert yaml_file.preview(WRONG, skip_wrong_rows=True).changes == 0


def test_what_is_wrong_with_the_file_as_a_whole_is_not_skipped(now: datetime) -> None:
    for text in ("[", pods(2) + "nonsense: 1\n", "sites: []\n"):
        preview = yaml_file.preview(text, skip_wrong_rows=True)
        assert preview.errors and not preview.changes


DEVICES = """name,site,role,suite,address,port,credential,router_id,kind,tags
r9,N,core,none,192.0.2.77,,lab,,host,"[spare, lab]"
r0,,core,,,,,,,
"""


def test_csv_adds_to_what_there_is_and_leaves_the_rest(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    preview = csv_file.preview(DEVICES)
    assert not preview.errors, "\n".join(map(str, preview.errors))
    assert [(c.kind, c.name) for c in preview.creates] == [(RowKind.ROUTER, "r9")]
    assert [(c.name, f.field, f.before, f.after) for c in preview.updates for f in c.fields] == [
        ("r0", "role", "edge", "core")
    ]
    assert preview.missing == () and preview.unchanged == 1  # the host key of r0
    csv_file.apply(preview, now=now)
    r9 = models.Router.objects.get(name="r9")
    assert (r9.kind, r9.tags, r9.port, r9.suite) == ("host", ["lab", "spare"], 22, "none")
    assert csv_file.preview(DEVICES).changes == 0


def test_csv_of_links_and_profiles(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    links = (
        "a;b;kind;capacity\nr1:eth7;r3:eth7;core;2.5G\nr1:eth0;r0:eth0;core;40G\n"  # the second one from its other end
    )
    preview = csv_file.preview(links)
    assert not preview.errors, "\n".join(map(str, preview.errors))
    assert len(preview.creates) == 1 and [f.after for c in preview.updates for f in c.fields] == [40_000]
    csv_file.apply(preview, now=now)
    profiles = (
        'name,kind,weight,nic.queues,nic.rss.indir,kernel.version\nfast,nic,3,8,"{equal: 8}",\nkern,kernel,,,,6.10\n'
    )
    preview = csv_file.preview(profiles)
    assert not preview.errors, "\n".join(map(str, preview.errors))
    csv_file.apply(preview, now=now)
    assert dict(models.Profile.objects.values_list("name", "settings")) == {
        "fast": {"nic.queues": 8, "nic.rss.indir": {"equal": 8}}, "kern": {"kernel.version": "6.10"},
    }  # fmt: skip
    assert (csv_file.preview(profiles).changes, csv_file.preview(links).changes) == (0, 0)
    more = csv_file.preview("name,nic.queues\nfast,16\n")
    assert [f.after for c in more.updates for f in c.fields] == [{"nic.queues": 16, "nic.rss.indir": {"equal": 8}}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, file: found nothing"),
        ("name,sites,role\nx,N,core\n", "the unknown column 'sites'"),
        ("name,role,role\nx,a,b\n", "the column 'role' twice"),
        ("name,role\nr0,core,x\n", "line 2, routers.2: found 3 cells"),
        ('name,role\n"r0,core\n', "wanted CSV"),
        ("name,role\nr8,core\n", "line 2, routers.r8.site: found nothing"),
        ("name,port,role\n\nr0,99999,core\n", "line 3, routers.r0.port: found '99999'"),
        ("name,site\nr0,MA1\n", "routers.r0.site: found 'MA1', which is not in sites"),
        ("a,b,kind,capacity\nr0:eth9,r0:eth8,core,1G\n", "a link of r0 to itself"),
        ("a,b,kind,capacity\nr0:eth0,r3:eth8,core,1G\n", "r0:eth0, which the link"),
        ("name,kind,nic.queues\nfast,nic,0\n", "found nic.queues: 0"),
        ("name,kind,parent\na,nic,b\nb,nic,a\n", "a cycle of parents: a > b > a"),
    ],
)
def test_csv_errors_name_line_field_found_and_wanted(fleet: Fleet, text: str, said: str) -> None:
    fleet(4)
    preview = csv_file.preview(text)
    assert any(said in str(error) for error in preview.errors), "\n".join(map(str, preview.errors))
    assert preview.changes == 0


def test_csv_leaves_out_wrong_rows_when_asked(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    preview = csv_file.preview("name,role,port\nr0,core,x\nr1,core,\n", skip_wrong_rows=True)
    assert [p.line for p in preview.skipped] == [2] and [c.name for c in preview.updates] == ["r1"]
    csv_file.apply(preview, now=now)
    assert models.Router.objects.get(name="r1").role == "core"


def test_the_command_reads_both_and_says_what_it_left_out(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(2)
    path = tmp_path / "fleet.csv"
    path.write_text("name,role,port\nr0,core,x\nr1,core,\n")
    with pytest.raises(CommandError, match="nothing was written"):
        call_command("load_inventory", str(path))
    assert models.Router.objects.get(name="r1").role == "edge"
    capsys.readouterr()
    call_command("load_inventory", str(path), "--skip-wrong-rows")
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "left out: line 2, routers.r0.port: found the text 'x'" in out
        and "1 changed" in out
        and "1 error(s) left out" in out
    )
    path = tmp_path / "fleet.yaml"
    path.write_text(WRONG)
    call_command("load_inventory", str(path), "--skip-wrong-rows", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["applied"] and len(told["skipped"]) >= 4 and told["skipped"][0]["row"] > 0
