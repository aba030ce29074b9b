"""Which script a host gets: the one door to boot targets, with its counting and its one-shot."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from fleet.netboot.models import BootHost, BootTarget, hash_of

# A host asks once for a boot. One that fails and tries again does so after some seconds; more is a loop, or not a host.
MOST_IN_A_MINUTE = 12
_LONGEST = 200


@dataclass(frozen=True)
class Served:
    """What a host is to boot; `once`: it is tried, and will not be served again."""

    host: BootHost
    target: BootTarget
    once: bool


def host_of(token: str, mac: str, uuid: str) -> BootHost | None:
    """The host of this network with this address; None for anything else. A UUID on record must be the one."""
    if not token or max(map(len, (token, mac, uuid))) > _LONGEST:
        return None
    plain = mac.lower().replace("-", ":")
    rows = BootHost.objects.select_related("router", "default", "once")
    host = rows.filter(network__token_hash=hash_of(token), mac=plain).first()
    return host if host is not None and host.uuid in {"", uuid.lower()} else None


def too_often(host: BootHost, now: datetime) -> bool:
    """Count this question. Two statements at most."""
    mine = BootHost.objects.filter(pk=host.pk)
    if host.minute is None or now - host.minute >= timedelta(minutes=1):
        mine.update(minute=now, in_minute=1)
        return False
    if host.in_minute >= MOST_IN_A_MINUTE:
        return True
    mine.update(in_minute=F("in_minute") + 1)
    return False


def serve(host: BootHost, now: datetime) -> Served:
    """The target of this boot. What is to be tried once is given out by exactly one question: the guard decides."""
    mine = BootHost.objects.filter(pk=host.pk)
    if host.once is not None:
        taken = mine.filter(once=host.once_id).update(once=None, trial=host.once_id, served=host.once_id, served_at=now)
        if taken:
            return Served(host, host.once, once=True)
    mine.update(served=host.default_id, served_at=now)
    return Served(host, host.default, once=False)


def target_of(token: str, mac: str, number: int) -> BootTarget | None:
    """A target whose files this host may fetch: one that it was served, or boots by default."""
    host = host_of_mac(token, mac)
    if host is None or number not in {host.default_id, host.served_id, host.trial_id}:
        return None
    return BootTarget.objects.filter(pk=number).first()


def host_of_mac(token: str, mac: str) -> BootHost | None:
    if not token or max(len(token), len(mac)) > _LONGEST:
        return None
    plain = mac.lower().replace("-", ":")
    return BootHost.objects.filter(network__token_hash=hash_of(token), mac=plain).first()
