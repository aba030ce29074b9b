"""The forms: who may change what, that every error names its place, and that nothing wrong is half written."""

import html
import re
from datetime import datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from inventory.models import Assignment, Credential, Link, LinkEnd, Profile, Router, Site
from inventory.views import setting_lines
from inventory.views.edit import THINGS
from tests.inventory import scene
from tests.inventory.fleet_file import KEY_1

SITE = {"name": "oslo1", "time_zone": "Europe/Oslo"}


@pytest.fixture
def ten(db: None, now: datetime) -> list[Router]:
    return scene.fleet(10, now)


def may(who: User, *rights: str) -> Client:
    who.user_permissions.add(*Permission.objects.filter(content_type__app_label="inventory", codename__in=rights))
    client = Client()
    client.force_login(User.objects.get(pk=who.pk))
    return client


def said(response: object) -> str:
    content: bytes = response.content  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


def test_looking_is_for_all_and_changing_needs_the_right(ten: list[Router], reader: User) -> None:
    client = may(reader)
    for thing in THINGS:
        row = thing.model._default_manager.first()
        assert row is not None, thing.slug
        form, there = reverse(f"inventory-edit-{thing.slug}", args=[row.pk]), thing.right("change")
        shown = client.get(form)
        assert shown.status_code == 200
        assert b"<fieldset disabled>" in shown.content
        assert client.post(form, {}).status_code == 403, there
        assert client.get(reverse(f"inventory-add-{thing.slug}")).status_code == 403
        assert client.post(reverse(f"inventory-add-{thing.slug}"), {}).status_code == 403
        assert client.post(reverse(f"inventory-remove-{thing.slug}", args=[row.pk])).status_code == 403
        assert thing.model._default_manager.filter(pk=row.pk).exists()


def test_every_form_saves_what_it_shows(ten: list[Router], reader: User) -> None:
    reader.is_superuser = True
    reader.save()
    client = may(reader)
    for thing in THINGS:
        row = thing.model._default_manager.first()
        assert row is not None
        before = thing.model._default_manager.filter(pk=row.pk).values().get()
        address = reverse(f"inventory-edit-{thing.slug}", args=[row.pk])
        form = client.get(address).context["form"]
        sent = {field.html_name: field.value() for field in form if field.value() is not None}
        if thing.slug == "artifact":
            sent["brings"] = form["brings"].value()
        response = client.post(address, sent)
        assert response.status_code == 302, (thing.slug, said(response)[:800])
        assert thing.model._default_manager.filter(pk=row.pk).values().get() == before, thing.slug


def test_a_site_is_added_and_its_errors_name_their_field(ten: list[Router], reader: User) -> None:
    client = may(reader, "add_site")
    domain = Site.objects.values_list("failure_domain", flat=True)[0]
    wrong = client.post(
        "/inventory/sites/add", {**SITE, "name": "os lo", "time_zone": "Oslo", "failure_domain": domain}
    )
    assert wrong.status_code == 400
    assert "Time zone : found 'Oslo', wanted a time zone such as Europe/London" in said(wrong)
    assert "Name : wanted letters, digits" in said(wrong)
    assert not Site.objects.filter(time_zone="Europe/Oslo").exists()
    assert client.post("/inventory/sites/add", {**SITE, "failure_domain": domain}).status_code == 302
    assert Site.objects.get(name="oslo1").time_zone == "Europe/Oslo"


def device(**more: object) -> dict[str, object]:
    site, credential = Site.objects.all()[0].pk, Credential.objects.get().pk
    fields = {"name": "new1", "kind": "router", "site": site, "role": "edge", "platform": "linux", "suite": "frr"}
    return {**fields, "address": "192.0.2.1", "port": 22, "credential": credential, "tags": "canary, rack-7", **more}


def test_a_device_with_its_host_key(ten: list[Router], reader: User) -> None:
    client = may(reader, "add_router")
    response = client.post("/inventory/devices/add", device(host_key=f"192.0.2.1 {KEY_1}"))
    assert response["Location"] == "/inventory/devices/new1/"
    made = Router.objects.get(name="new1")
    assert made.tags == ["canary", "rack-7"]
    key = made.host_key()
    assert key is not None
    assert str(key) == KEY_1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host_key": "ssh-ed25519 AAAA"}, "Host key"),
        ({"tags": "canary canary"}, "found a tag twice"),
        ({"tags": "rack/7"}, "wanted letters, digits"),
        ({"fallback_address": "192.0.2.1"}, "found the address itself"),
        ({"address": "10.0.0.0"}, "already exists"),
        ({"port": "70000"}, "Port"),
        ({"name": "transit-a"}, "the name of an external"),
    ],
)
def test_a_wrong_device_is_refused_whole(ten: list[Router], reader: User, wrong: dict[str, str], words: str) -> None:
    response = may(reader, "add_router").post("/inventory/devices/add", device(**wrong))
    assert response.status_code == 400
    assert words in said(response)
    assert Router.objects.count() == 10


LINK = {"a_device": "bly", "a_interface": "eth7", "b_device": "aebi", "b_interface": "eth7", "kind": "core",
        "capacity_mbps": 10000}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"b_device": "bly", "b_interface": "eth8"}, "found a link of bly to itself, wanted two different devices"),
        ({"a_device": "blyy"}, "found 'blyy', wanted a device or an external that exists; did you mean bly?"),
        ({"a_interface": ""}, "found nothing, wanted the interface of bly"),
        ({"a_interface": "eth1"}, "found bly:eth1, which is an end of link"),
        ({"b_device": "transit-a"}, "wanted nothing: transit-a is an external"),
        ({"capacity_mbps": "0"}, "Capacity in Mb/s"),
    ],
)
def test_a_wrong_link_is_refused_whole(ten: list[Router], reader: User, wrong: dict[str, str], words: str) -> None:
    response = may(reader, "add_link").post("/inventory/links/add", {**LINK, **wrong})
    assert response.status_code == 400
    assert words in said(response)
    assert Link.objects.count() == 10
    assert LinkEnd.objects.count() == 20


def test_a_link_is_added_and_turned_around(ten: list[Router], reader: User) -> None:
    client = may(reader, "add_link", "change_link")
    client.post("/inventory/links/add", LINK)
    made = Link.objects.order_by("-pk")[0]
    assert str(made) == "aebi:eth7 -- bly:eth7"
    turned = {**LINK, "b_device": "transit-a", "b_interface": ""}
    assert client.post(f"/inventory/links/{made.pk}/edit", turned).status_code == 302
    assert str(Link.objects.get(pk=made.pk)) == "bly:eth7 -- transit-a"


def test_wrong_lines_of_a_profile_are_named_by_number(ten: list[Router], reader: User) -> None:
    lines = "nic.queues: 8\n# a remark\nnic.queues: 9\nnic.rings.rx 4096\nnic.quues: 8\nnic.rings.tx: many"
    form = {"name": "wrong", "kind": "nic", "weight": "0", "settings": lines}
    response = may(reader, "add_profile").post("/inventory/profiles/add", form)
    assert response.status_code == 400
    words = said(response)
    for part in ("line 3: found nic.queues again", "line 4: found 'nic.rings.rx 4096'", "line 5", "line 6"):
        assert part in words
    assert "Did you mean nic.queues?" in words
    assert not Profile.objects.filter(name="wrong").exists()


def test_a_cycle_of_profiles_is_named(ten: list[Router], reader: User) -> None:
    base, edge = Profile.objects.get(name="nic-base"), Profile.objects.get(name="nic-edge")
    Profile.objects.filter(pk=edge.pk).update(parent=base)
    form = {"name": "nic-base", "kind": "nic", "weight": "0", "settings": "nic.queues: 8", "parent": edge.pk}
    response = may(reader, "change_profile").post(f"/inventory/profiles/{base.pk}/edit", form)
    assert response.status_code == 400
    assert "found a cycle of profiles: nic-base > nic-edge > nic-base" in said(response)


def test_an_assignment_says_what_its_level_says(ten: list[Router], reader: User) -> None:
    client, profile = may(reader, "add_assignment"), Profile.objects.get(name="nic-base").pk
    wrong = client.post("/inventory/assignments/add", {"profile": profile, "level": "device", "role": "edge"})
    assert wrong.status_code == 400
    assert "wanted exactly what the level says" in said(wrong)
    near = client.post("/inventory/assignments/add", {"profile": profile, "level": "device", "router": "dekkr"})
    assert "wanted the name of a device that exists; did you mean dekker?" in said(near)
    right = {"profile": profile, "level": "device", "router": "dekker"}
    assert client.post("/inventory/assignments/add", right).status_code == 302
    assert Assignment.objects.filter(router__name="dekker").count() == 1


def test_a_secret_is_no_reference_and_is_not_repeated(ten: list[Router], reader: User) -> None:
    form = {"name": "new", "username": "ops", "reference": "hunter2-hunter2", "become": ""}
    response = may(reader, "add_credential").post("/inventory/credentials/add", form)
    assert response.status_code == 400
    assert "15 characters that do not begin with file: or env:" in said(response)
    assert Credential.objects.count() == 1


def test_what_is_needed_is_not_removed(ten: list[Router], reader: User) -> None:
    client = may(reader, "delete_site", "delete_external", "delete_assignment")
    site = Router.objects.get(name="bly").site
    response = client.post(f"/inventory/sites/{site.pk}/remove")
    assert response.status_code == 409
    assert "used by device bly" in said(response)
    row = Assignment.objects.all()[0]
    assert client.post(f"/inventory/assignments/{row.pk}/remove").status_code == 302
    assert not Assignment.objects.filter(pk=row.pk).exists()
    assert client.post("/inventory/sites/99999/remove").status_code == 404


# --- settings as lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"nic.queues": 8, "nic.rss.key": None, "nic.offload.gro": True},
        {"kernel.cmdline.isolcpus": "2-5", "kernel.sysctl.net.ipv4.ip_forward": "1"},
        {"kernel.version": "null", "nic.affinity": {"eth0-0": "0-3"}, "nic.rss.indir": [0, 1]},
        {"kernel.version": " spaces ", "routing.suite_version": ""},
        {},
    ],
)
def test_lines_read_back_as_they_were_written(settings: dict[str, object]) -> None:
    assert setting_lines.read(setting_lines.render(settings)) == (settings, ())


@pytest.mark.parametrize(
    "line", ["nic", "nic.queues", "nic.queues:", ": 8", "nic queues: 8", "nic.x\x00y: 1", "é.x: 1"]
)
def test_what_is_no_line_is_named(line: str) -> None:
    settings, wrong = setting_lines.read(f"nic.rings.rx: 512\n{line}")
    assert settings == {"nic.rings.rx": 512}
    assert [reason.subject for reason in wrong] == ["line 2"]
