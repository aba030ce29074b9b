"""Collecting from simulated routers over real SSH: facts of those that answer, a reason for each that does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import clock
from inventory import discovery, models
from inventory.importers import yaml_file
from tests.inventory.fleet_file import KEY_2


@pytest.mark.django_db
def test_a_fleet_is_seen_over_ssh(sim_fleet: Callable[..., Any], tmp_path: Path) -> None:
    sim_fleet(routers=6, dir=tmp_path / "sim")
    preview = yaml_file.preview((tmp_path / "sim" / "inventory.yaml").read_text())
    assert not preview.errors
    yaml_file.apply(preview, now=clock.now())
    names = list(models.Router.objects.values_list("name", flat=True))
    stranger, silent, *_ = names
    algorithm, key = KEY_2.split()
    models.HostKey.objects.filter(router__name=stranger).update(algorithm=algorithm, key=key)
    models.Router.objects.filter(name=silent).update(port=1)  # nothing listens there

    collected = discovery.collect(names, now=clock.now(), workers=6)

    assert set(collected.observations) == set(names[2:])
    refused = {failure.router: failure.reason for failure in collected.failures}
    assert set(refused) == {stranger, silent}
    assert models.HostKey.objects.get(router__name=stranger).fingerprint in str(refused[stranger])
    assert all(reason.found and reason.wanted and reason.remedy for reason in refused.values())
    for observation in collected.observations.values():
        assert observation.facts["kernel"] and observation.facts["routing"]["version"]
    assert models.Nic.objects.exclude(driver="").exclude(driver_version="").exists()

    again = discovery.collect(names[2:], now=clock.now(), workers=6)
    for name, observation in again.observations.items():
        assert observation.digest == collected.observations[name].digest  # nothing changed: equal facts
    assert models.Observation.objects.count() == 2 * len(names[2:])
