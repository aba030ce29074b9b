"""The calculator of adapter policies: what so many queues need, what an adapter gives, and what the host will show.

Everything is in the address, so that a result can be sent to a colleague.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.core import ucs, ucs_reach
from fleet.core.model import Finding, Severity
from fleet.core.ucs import Figure, Policy
from fleet.core.ucs_reach import Maintenance, Profile
from fleet.guards import reads
from inventory.models import AdapterPolicy, Blade
from inventory.ucs_values import limits_table, policy_of

_SHOWN = 200  # policies and adapter models to choose from
# The widest range of any UCS Manager (schema of ucsmsdk 0.9.27): more is not a figure but a slip.
_MOST = 2000
_DN = "org-root/eth-profile-wanted"


@dataclass(frozen=True)
class Asked:
    """What stands in the address. `completion`, `interrupts`: None = as they follow from the queues."""

    receive: int = 8
    transmit: int = 8
    completion: int | None = None
    interrupts: int | None = None
    vnics: int = 1
    adapter: str = ""
    version: str = ""
    kernel: str = ""
    cpus: int | None = None
    rss: bool = True
    policy: int | None = None


def _asked(given: Mapping[str, str]) -> Asked:
    """Anything that is no figure is as if it were not there."""

    def count(key: str, most: int = _MOST) -> int | None:
        text = given.get(key, "").strip()
        fits = text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most
        return int(text) if fits else None

    def word(key: str) -> str:
        return given.get(key, "").replace("\x00", "").strip()[:63]

    receive = count("receive") or 8
    return Asked(
        receive=receive, transmit=count("transmit") or receive, completion=count("completion"),
        interrupts=count("interrupts"), vnics=count("vnics", 256) or 1, adapter=word("adapter"),
        version=word("version"), kernel=word("kernel"), cpus=count("cpus"), rss=given.get("rss", "on") != "off",
        policy=count("policy", 10**9),
    )  # fmt: skip


def _wanted(asked: Asked, like: Policy | None) -> Policy:
    made = ucs.derived("wanted", receive=asked.receive, transmit=asked.transmit, like=like)
    return replace(
        made,
        completion=asked.completion or made.completion,
        interrupts=asked.interrupts or made.interrupts,
        rss=made.rss and asked.rss,
    )


def _findings(asked: Asked, policy: Policy, table: Mapping[str, ucs.Limits]) -> list[Finding]:
    blade = Profile("", "this blade", "sys/a blade", asked.adapter, (_DN,) * asked.vnics, Maintenance.USER_ACK)
    return [*ucs.illegal(policy, asked.version), *ucs_reach.findings(_DN, policy, [blade], table=table)]


@reads
def ucs_calculator(request: HttpRequest) -> HttpResponse:
    """The page: four queries, however large the domains are."""
    asked = _asked(request.GET)
    table = limits_table()
    chosen = AdapterPolicy.objects.select_related("domain").filter(pk=asked.policy).first() if asked.policy else None
    like = policy_of(chosen) if chosen else None
    policy = _wanted(asked, like)
    limits = ucs.limits_of(asked.adapter, table) if asked.adapter else None
    figures: list[Figure] = [
        *ucs.explained(policy, asked.vnics, limits),
        ucs.on_host(policy, limits, kernel=ucs.linux(asked.kernel), cpus=asked.cpus),
    ]
    findings = _findings(asked, policy, table)
    models = Blade.objects.exclude(adapter="").order_by("adapter").values_list("adapter", flat=True).distinct()
    context: dict[str, Any] = {
        "now": clock.now(),
        "asked": asked,
        "figures": figures,
        "wrong": [str(f.reason) for f in findings if f.severity is Severity.FATAL],
        "warned": [str(f.reason) for f in findings if f.severity is not Severity.FATAL],
        "adapters": sorted({*table, *models[:_SHOWN]}),
        "policies": AdapterPolicy.objects.select_related("domain").order_by("domain__name", "dn")[:_SHOWN],
        "chosen": chosen,
        "commands": ucs.commands(like, replace(policy, name=like.name)) if like else (),
    }
    return render(request, "inventory/ucs_calculator.html", context)
