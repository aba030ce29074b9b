"""From the intent "forwards with VPP" to a planned change: drift, the recipe vpp with its inputs, and vpp-change."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import lifecycle, repairs
from inventory import drift, models
from tests.changes import builders
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import Walk, device

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
DATAPLANE: dict[str, Any] = {
    "dataplane.kind": "vpp", "dataplane.keep": "eth0", "dataplane.workers": 2, "dataplane.routes": 10_000,
    "dataplane.buffers": 16_384, "dataplane.loopback6": "eth1",
    "dataplane.config": {"interfaces": {"eth2": {"sub-interfaces": {"300": {"lcp": "eth2.300", "mtu": 1500}}}}},
}  # fmt: skip
KERNEL = {"kernel.cmdline.isolcpus": "2-3,6-7", "kernel.cmdline.hugepages": "512"}


def profile(name: str, kind: str, settings: Mapping[str, Any]) -> models.Profile:
    made = models.Profile.objects.create(name=name, kind=kind, settings=settings)
    models.Assignment.objects.create(profile=made, level="fleet")
    return made


def seen(facts: Mapping[str, Any], *, hours: int) -> None:
    router = models.Router.objects.get(name="bly")
    at = NOW + timedelta(hours=hours)
    models.Observation.objects.create(router=router, observed_at=at, facts=facts)
    drift.refresh([router], at)


def drifted() -> dict[str, Any]:
    return {row.setting: (row.found, row.wanted) for row in models.Drift.objects.open()}


def test_the_intent_is_drafted_as_the_recipe_and_later_as_a_small_change(author: User) -> None:
    builders.fleet(["bly"])
    lab = SimLab()
    facts: dict[str, Any] = dict(Walk(lab, device(lab, "bly")).facts())
    profile("with-vpp", "dataplane", DATAPLANE)
    seen(facts, hours=0)
    assert drifted() == {"dataplane.kind": ("kernel", "vpp")}
    nothing = repairs.draft(repairs.needed(), author=author, now=NOW)
    assert not nothing.changes and "kernel.cmdline.isolcpus" in str(nothing.left[0]), "says what is missing"

    profile("cores", "kernel", KERNEL)
    seen(facts, hours=1)
    made = repairs.draft(repairs.needed(), author=author, now=NOW)
    assert made.left == ()
    (change,) = made.changes
    revision = change.revision
    assert revision is not None and revision.recipe == "vpp"
    assert revision.inputs == {
        "keep": "eth0", "workers": 2, "routes": 10_000, "buffers": 16_384, "loopback6": "eth1",
        "cmdline": "hugepages=512 isolcpus=2-3,6-7",
    }  # fmt: skip
    steps = revision.read_plan().targets[0].steps
    launch = next(s for s in steps if s.params.get("stage") == "launch")
    assert "lcp create eth1 host-if eth1" in launch.commands and "-forwards with the kernel" in launch.diff
    assert lifecycle.cancel(change, author, NOW) == ()

    # VPP runs, as planned: only what the profile wants beside it differs.
    config = launch.params["rendered"]["yaml"]
    line = f"{facts['cmdline']} isolcpus=2-3,6-7 hugepages=512"
    after = {**facts, "dataplane": "vpp", "cmdline": line, "vpp": {"version": "24.06-release", "config": config}}
    seen(after, hours=2)
    wanted = DATAPLANE["dataplane.config"]
    assert drifted() == {"dataplane.config": ({"interfaces": {"eth2": {"sub-interfaces": None}}}, wanted)}
    (small,) = repairs.draft(repairs.needed(), author=author, now=NOW).changes
    assert small.revision is not None and small.revision.recipe == "vpp-change"
    (step,) = [s for s in small.revision.read_plan().targets[0].steps if s.verb == "vpp-change"]
    assert "create sub eth2 300 dot1q 300 exact-match" in step.commands

    models.Profile.objects.filter(name="with-vpp").update(settings={"dataplane.kind": "kernel"})
    seen(after, hours=3)
    left = repairs.draft(repairs.needed(), author=author, now=NOW)
    assert not left.changes and "No recipe goes from VPP back" in str(left.left[0])


@pytest.mark.parametrize("text", ["{}[", "a: &x [1]\nb: [*x, *x]\n", "- 1\n", ""])
def test_a_configuration_that_cannot_be_read_is_unknown_and_never_drift(text: str) -> None:
    builders.fleet(["bly"])
    profile("with-vpp", "dataplane", DATAPLANE)
    seen({"dataplane": "vpp", "vpp": {"version": "24.06", "config": text}}, hours=0)
    assert drifted() == {}
