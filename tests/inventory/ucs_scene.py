"""A UCS domain in the database and in the lab: hosts whose interfaces have the addresses of the blades' vNICs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from inventory import models, ucs
from lab.ucsm import UcsManager
from tests.changes import builders

PASSWORD = "only of this test"
ENV = "SLIPWAY_TEST_UCS"


def domain_row(manager: UcsManager, site: models.Site) -> models.UcsDomain:
    """The row of the lab's domain: its password in an environment variable, its certificate recorded."""
    credential, _ = models.Credential.objects.get_or_create(
        name="ucs", defaults={"username": "admin", "reference": f"env:{ENV}"}
    )
    assert manager.certificate is not None
    row, _ = models.UcsDomain.objects.get_or_create(
        name="ucs1-osl3",
        defaults={
            "site": site, "address": "127.0.0.1", "port": manager.port, "credential": credential,
            "certificate": manager.certificate.fingerprint,
        },
    )  # fmt: skip
    return row


def hosts(manager: UcsManager, names: Sequence[str], now: datetime, **facts: Any) -> models.UcsDomain:
    """Devices of these names, seen with the MAC addresses of the vNICs of their profiles, the domain collected."""
    rows = builders.fleet(list(names))
    for row in rows:
        models.Observation.objects.create(router=row, observed_at=now, facts={"kernel": "6.1.0-18-amd64", **facts})
        for vnic in manager.tree.children(f"org-root/ls-{row.name}", "vnicEther"):
            models.Interface.objects.create(
                router=row, name=vnic.props["name"], mac=vnic.props["addr"].lower(), last_seen_at=now
            )
    made = domain_row(manager, rows[0].site)
    found = ucs.collect(made, now=now)
    assert found.failed is None, found.failed
    return made
