"""Drift: since when a setting is not as wanted; opened, kept and ended by observations, in bulk."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from fleet.core.intent import Level, LineState
from fleet.core.model import Json
from inventory import cards, drift, intent, models, running

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]
HOUR = timedelta(hours=1)


def wish(settings: dict[str, Json], name: str = "fast", level: str = "fleet", **target: object) -> models.Profile:
    profile = models.Profile.objects.create(name=name, kind="nic", settings=settings)
    models.Assignment.objects.create(profile=profile, level=level, **target)
    return profile


def facts(queues: int | None, kernel: str = "6.1.0") -> Json:
    card = {"nic": {"driver": "i40e", "bus": "0000:01:00.0"}, "channels": None}
    if queues is not None:
        card["channels"] = {"combined": queues, "max": {"combined": 64}}
    return {"kernel": kernel, "interfaces": {"eth0": card}}


def seen(name: str, at: datetime, what: Json) -> None:
    router = models.Router.objects.get(name=name)
    models.Observation.objects.create(router=router, observed_at=at, facts=what)
    drift.refresh([router], at)


def rows(name: str = "r0") -> list[tuple[Json, Json, Json, datetime, datetime | None]]:
    found = models.Drift.objects.filter(router__name=name).order_by("pk")
    return list(found.values_list("setting", "wanted", "found", "since", "ended_at"))


def test_drift_begins_is_kept_and_ends(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    wish({"nic.queues": 8})
    key = "nic.queues[eth0]"
    seen("r0", now, facts(8))
    assert rows() == []
    seen("r0", now + HOUR, facts(4))
    assert rows() == [(key, 8, 4, now + HOUR, None)]
    seen("r0", now + 2 * HOUR, facts(2))  # still not as wanted: the same drift, with what is found now
    assert rows() == [(key, 8, 2, now + HOUR, None)]
    seen("r0", now + 3 * HOUR, facts(None))  # cannot be told: nothing ends
    assert rows() == [(key, 8, 2, now + HOUR, None)]
    seen("r0", now + 4 * HOUR, facts(8))
    assert rows() == [(key, 8, 2, now + HOUR, now + 4 * HOUR)]
    seen("r0", now + 5 * HOUR, facts(1))
    assert [row[3:] for row in rows()] == [(now + HOUR, now + 4 * HOUR), (now + 5 * HOUR, None)]
    assert rows("r1") == []


def test_what_cannot_be_told_opens_nothing(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    wish({"nic.queues": 8})
    seen("r0", now, facts(None))
    drift.refresh(list(models.Router.objects.all()), now)  # r1 was never observed
    assert models.Drift.objects.count() == 0


def test_another_wish_is_another_drift_and_no_wish_is_none(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    profile = wish({"nic.queues": 8})
    seen("r0", now, facts(4))
    models.Profile.objects.update(settings={"nic.queues": 16})
    drift.refresh(list(models.Router.objects.all()), now + HOUR)
    assert rows() == [("nic.queues[eth0]", 8, 4, now, now + HOUR), ("nic.queues[eth0]", 16, 4, now + HOUR, None)]
    profile.delete()
    assert list(drift.refresh_all(now + 2 * HOUR)) == [2]
    assert rows()[1][4] == now + 2 * HOUR


def test_while_a_change_has_the_device_nothing_is_drift(
    fleet: Fleet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(2)
    wish({"nic.queues": 8, "nic.rings.rx": 512})
    seen("r0", now, facts(4))
    monkeypatch.setattr(running, "_ask", lambda names: frozenset({"r0"}) & frozenset(names))
    both = facts(8)
    both["interfaces"]["eth0"]["rings"] = {"rx": 64}
    seen("r0", now + HOUR, both)  # the change has repaired one; the other is half way
    assert rows() == [("nic.queues[eth0]", 8, 4, now, now + HOUR)]
    monkeypatch.setattr(running, "_ask", running._none)
    seen("r0", now + 2 * HOUR, both)
    assert rows()[1:] == [("nic.rings.rx[eth0]", 512, 64, now + 2 * HOUR, None)]


def test_a_clock_that_is_behind_ends_nothing_before_it_began(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    wish({"nic.queues": 8})
    seen("r0", now, facts(4))
    models.Assignment.objects.all().delete()
    drift.refresh(list(models.Router.objects.all()), now - HOUR)
    assert rows() == [("nic.queues[eth0]", 8, 4, now, now)]


def test_the_database_keeps_one_open_row(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    router = models.Router.objects.get(name="r0")
    one = {"router": router, "setting": "kernel.version", "profile": "x", "since": now}
    models.Drift.objects.create(**one, ended_at=now)
    models.Drift.objects.create(**one)
    for wrong in ({}, {"ended_at": now - HOUR}):
        with pytest.raises(IntegrityError), transaction.atomic():
            models.Drift.objects.create(**{**one, **wrong})


def test_the_engine_says_which_devices_are_in_its_hands(fleet: Fleet) -> None:
    fleet(2)
    assert running.in_running_change(["r0", "r1"]) == frozenset()
    assert running._ask is not running._none  # registered when Django started


def test_intent_beside_facts_with_rows_of_every_level(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    r0 = models.Router.objects.get(name="r0")
    wish({"nic.queues": 1}, "a")
    wish({"nic.queues": 2}, "b", "role", role=r0.role)
    wish({"nic.queues": 3}, "c", "site", site=r0.site)
    wish({"nic.queues": 4}, "d", "nic_model", nic_model="Ethernet Controller XL710")
    wish({"nic.rings.rx": 4096}, "e", "device", router=r0)
    seen("r0", now, facts(3))
    assert intent.of_devices(["r0"])["r0"].wanted["nic.queues[eth0]"].level is Level.SITE
    port = models.Interface.objects.create(router=r0, name="eth0", last_seen_at=now)
    models.Nic.objects.create(router=r0, interface=port, model="Ethernet Controller XL710", last_seen_at=now)
    one = intent.of_devices(["r0"])["r0"]
    queues = one.wanted["nic.queues[eth0]"]
    assert (queues.value, queues.profile, [o.value for o in queues.overridden]) == (4, "d", [3, 2, 1])
    assert [(line.setting, line.state) for line in one.lines] == [
        ("nic.queues[eth0]", LineState.DIFFERENT), ("nic.rings.rx[eth0]", LineState.UNKNOWN),
    ]  # fmt: skip
    assert "nic.rings.rx" not in intent.of_devices()["r1"].wanted


@pytest.mark.parametrize("routers", [10, 200])
def test_queries_do_not_grow_with_the_fleet(fleet: Fleet, now: datetime, routers: int) -> None:
    fleet(routers)
    wish({"nic.queues": 8, "kernel.version": "6.1.*"})
    devices = list(models.Router.objects.all())
    models.Observation.objects.bulk_create(
        models.Observation(router=r, observed_at=now, facts=facts(4), digest="0" * 64) for r in devices
    )
    for at, known in ((now, None), (now + HOUR, {r.name: facts(2) for r in devices}), (now + 2 * HOUR, None)):
        with CaptureQueriesContext(connection) as queries:
            drift.refresh(devices, at, facts=known)
        said = [q["sql"][:60] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
        assert len(said) <= 9 + routers // 50, said  # SQLite writes at most 999 values a statement
    assert models.Drift.objects.open().count() == routers
    with CaptureQueriesContext(connection) as queries:
        assert len(intent.of_devices()) == routers
    assert len(queries) == 5


def test_one_serial_one_device(fleet: Fleet) -> None:
    fleet(4)
    r0, r1, r2, _ = models.Router.objects.order_by("name")
    assert cards.claim({r0: {"68-05-ca-01": "XL710", "00-00-00-00": ""}, r1: {"68-05-ca-02": ""}}) == ()
    assert cards.claim({r0: {"68-05-ca-01": "XL710"}}) == ()
    (reason,) = cards.claim({r2: {"68-05-ca-01": "XL710", "68-05-ca-03": ""}})
    assert "NIC serial 68-05-ca-01: found claimed by r0 and by r2, wanted one device" in str(reason)
    assert sorted(models.Card.objects.values_list("serial", "router__name")) == [
        ("68-05-ca-01", "r0"), ("68-05-ca-02", "r1"), ("68-05-ca-03", "r2"),
    ]  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Card.objects.bulk_create([models.Card(serial="68-05-ca-01", router=r1)])
    with CaptureQueriesContext(connection) as queries:
        cards.claim({r: {f"s{r.pk}-{n}": "" for n in range(9)} for r in (r0, r1, r2)})
    assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) == 2


def test_profiles_refuse_cycles_other_kinds_and_wrong_settings() -> None:
    a = models.Profile.objects.create(name="a", kind="nic")
    b = models.Profile.objects.create(name="b", kind="nic", parent=a)
    kernel = models.Profile.objects.create(name="k", kind="kernel")
    a.parent = b
    with pytest.raises(ValidationError, match="a cycle of profiles: a > b > a"):
        a.full_clean()
    a.parent = a
    with pytest.raises(ValidationError, match="a > a"):
        a.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        a.save()
    a.parent = kernel
    with pytest.raises(ValidationError, match="k, a kernel profile"):
        a.full_clean()
    a.parent, a.settings = None, {"nic.queues": 0}
    with pytest.raises(ValidationError, match=r"nic\.queues: found 0"):
        a.full_clean()


def test_an_assignment_names_what_its_level_says(fleet: Fleet) -> None:
    fleet(2)
    profile = models.Profile.objects.create(name="a", kind="nic")
    router = models.Router.objects.get(name="r0")
    for wrong in (
        {"level": "fleet", "role": "edge"}, {"level": "role"}, {"level": "site", "router": router},
        {"level": "device"}, {"level": "nic_model", "nic_model": "i40e", "site": router.site}, {"level": "no"},
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            models.Assignment.objects.create(profile=profile, **wrong)
    for right in (
        {"level": "fleet"}, {"level": "role", "role": "edge"}, {"level": "site", "site": router.site},
        {"level": "nic_model", "nic_model": "i40e"}, {"level": "device", "router": router},
    ):  # fmt: skip
        models.Assignment.objects.create(profile=profile, **right)
        with pytest.raises(IntegrityError), transaction.atomic():
            models.Assignment.objects.create(profile=profile, **right)
