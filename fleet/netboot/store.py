"""Boot targets for the kind of step: reads and guarded writes, no device."""

from django.db.models import QuerySet

from fleet.core.model import Reason
from fleet.netboot.models import BootHost, BootTarget
from playbooks.netboot.targets import BootState


class Store:
    """What `playbooks.netboot.targets.BootTargets` asks for, over the tables."""

    def read(self, device: str) -> BootState | None:
        row = BootHost.objects.filter(router__name=device).select_related("default", "once", "trial").first()
        if row is None:
            return None
        releases = dict(BootTarget.objects.values_list("name", "release"))
        name = {"once": row.once.name if row.once else "", "trial": row.trial.name if row.trial else ""}
        return BootState(row.default.name, name["once"], name["trial"], releases)

    def arm(self, device: str, target: str) -> Reason | None:
        found = BootTarget.objects.filter(name=target).first()
        if found is None:
            return _unknown(target)
        return None if _hosts(device).update(once=found, trial=None) else _no_host(device)

    def disarm(self, device: str) -> None:
        _hosts(device).update(once=None, trial=None)

    def keep(self, device: str, target: str) -> Reason | None:
        found = BootTarget.objects.filter(name=target).first()
        if found is None:
            return _unknown(target)
        kept = _hosts(device).update(default=found, once=None, trial=None)
        return None if kept else _no_host(device)


def _hosts(device: str) -> "QuerySet[BootHost]":
    return BootHost.objects.filter(router__name=device)


def _unknown(target: str) -> Reason:
    return Reason(f"boot target {target[:60]}", "not there", "one that is there", "Enter it in the admin.")


def _no_host(device: str) -> Reason:
    return Reason(f"network boot of {device}", "no host on record", "its address and target", "Enter it in the admin.")
