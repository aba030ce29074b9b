"""Which adapter speaks with which kind of system, and which options each takes."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings

from fleet.core.model import Json, Reason
from fleet.core.tickets import TicketApproval
from fleet.outward import secret
from fleet.outward.tickets.base import Adapter, Unreadable
from fleet.outward.tickets.generic import driver as generic
from fleet.outward.tickets.jira import driver as jira
from fleet.outward.tickets.jira import gating
from fleet.outward.tickets.servicenow import driver as servicenow
from fleet.outward.tickets.talk import Talk, authorization

if TYPE_CHECKING:
    from fleet.outward.models import TicketLink

OPTIONS: Mapping[str, frozenset[str]] = {
    "generic": generic.OPTIONS,
    "servicenow": servicenow.OPTIONS,
    "jira": jira.OPTIONS,
}


def refuse(kind: str, pattern: str, options: Json) -> Reason | None:
    """Why a system cannot be set up like this, or None."""
    remedy = "The options stand in docs/tickets.md."
    known = OPTIONS.get(kind)
    if known is None:
        return Reason("kind", repr(kind)[:40], ", ".join(OPTIONS), remedy)
    try:
        re.compile(pattern)
    except re.error as error:
        return Reason("pattern", f"{error}", "a regular expression", remedy)
    if not pattern or re.fullmatch(pattern, "") or re.fullmatch(r"(.*[+*}]\)?[+*{].*)", pattern):
        return Reason("pattern", repr(pattern)[:60], "one that names some tickets and no empty text", remedy)
    if not isinstance(options, dict) or (wrong := sorted(set(options) - known)):
        found = repr(options)[:60] if not isinstance(options, dict) else ", ".join(wrong)[:60]
        return Reason("options", found, f"some of {', '.join(sorted(known))}", remedy)
    if kind == "jira" and "gating" in options:
        values = options["gating"]
        if not isinstance(values, dict) or not {"pipeline", "environment", "services"} <= set(values):
            return Reason("options, gating", repr(values)[:60], "pipeline, environment and services", remedy)
    return None


def adapter(link: "TicketLink", now: datetime) -> tuple[Adapter, Talk | None]:
    """Who speaks about this ticket. Raises Unreadable when the secret cannot be had."""
    system = link.system
    if system.kind == "generic":
        return generic.Generic(TicketApproval(link.approval), link.remote_state), None
    token = secret.read(system.credential)
    if isinstance(token, Reason):
        raise Unreadable(token)
    auth = authorization(system.username, token)
    talk = Talk(system.name, system.url, auth, settings.SLIPWAY_OUTWARD_NETWORKS, now)
    if system.kind == "servicenow":
        return servicenow.ServiceNow(talk, system.options), talk
    if system.options.get("gating"):
        return gating.Gated(talk, system.options, now), talk
    return jira.Jira(talk, system.options), talk
