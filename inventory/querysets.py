"""Questions about many rows of the inventory, each in a constant number of queries."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models
from django.db.models import F, OuterRef, Prefetch, Subquery
from django.db.models.expressions import Window
from django.db.models.functions import Lag, Lead

from playbooks.base import Device

if TYPE_CHECKING:
    from inventory import models as rows

# What a shard of 25 devices adds in three days of hourly collections: a backlog of a year is gone in five days.
_FORGOTTEN = 2000


class AppendOnlyError(TypeError):
    """Somebody tried to change or remove what is only ever added."""


class RouterQuerySet(models.QuerySet["rows.Router"]):
    """Questions about many routers."""

    def reachable(self) -> Self:
        """With all that `Router.device()` reads: two queries for any number of routers."""
        from inventory.models import HostKey

        active = Prefetch(
            "host_keys", queryset=HostKey.objects.filter(retired_at__isnull=True), to_attr="active_host_keys"
        )
        return self.select_related("credential").prefetch_related(active)

    def devices(self, names: Collection[str] | None = None) -> dict[str, Device]:
        """Name -> device, for the given names or all; unknown names are simply absent. Two queries."""
        wanted = self if names is None else self.filter(name__in=names)
        return {router.name: router.device() for router in wanted.reachable()}

    def failure_domains(self) -> dict[str, str]:
        """Router name -> name of its failure domain. One query."""
        return dict(self.values_list("name", "site__failure_domain__name"))


class ObservationQuerySet(models.QuerySet["rows.Observation"]):
    """Questions about many observations. Rows are never changed; only what repeats what stays is removed."""

    def latest_by_router(
        self, names: Collection[str] | None = None, kind: str = "facts"
    ) -> dict[str, "rows.Observation"]:
        """Router name -> its newest observation of that kind; routers never observed are absent. One query."""
        from inventory.models import Router

        newest = (
            self.model._default_manager.filter(router=OuterRef("pk"), kind=kind)
            .order_by("-observed_at", "-pk")
            .values("pk")[:1]
        )
        routers = Router.objects.all() if names is None else Router.objects.filter(name__in=names)
        found = self.filter(pk__in=routers.values_list(Subquery(newest))).select_related("router")
        return {observation.router.name: observation for observation in found}

    def forget_repeats(self, routers: Collection["rows.Router"], *, before: datetime) -> int:
        """Remove what was seen in between two looks that saw just the same; how many went. At most two queries.

        Of these routers, older than `before`. The first and the last look of a state stay, and with them from when to
        when it was seen; what a change had in its hands stays whatever it was. At most _FORGOTTEN at a time: what is
        left goes the next time.
        """
        order: dict[str, Any] = {
            "partition_by": [F("router_id"), F("kind")],
            "order_by": [F("observed_at").asc(), F("pk").asc()],
        }
        seen = self.model._default_manager.filter(router__in=routers).annotate(
            earlier=Window(Lag("digest"), **order), later=Window(Lead("digest"), **order)
        )
        repeats = seen.filter(observed_at__lt=before, during_change=False, earlier=F("digest"), later=F("digest"))
        gone = list(repeats.order_by().values_list("pk", flat=True)[:_FORGOTTEN])
        return models.QuerySet.delete(self.filter(pk__in=gone))[0] if gone else 0

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("An observation is history: found an update, wanted a new observation beside it.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("An observation is history: found an update, wanted a new observation beside it.")

    def delete(self) -> NoReturn:
        raise AppendOnlyError("An observation is history: found a removal, wanted it kept.")


class DriftQuerySet(models.QuerySet["rows.Drift"]):
    """Questions about many rows of drift."""

    def open(self) -> Self:
        """What is not as wanted now."""
        return self.filter(ended_at__isnull=True)


class LinkQuerySet(models.QuerySet["rows.Link"]):
    """Questions about many links."""

    def with_ends(self) -> Self:
        """Links with both ends and their names. Two queries for any number of links."""
        from inventory.models import LinkEnd

        return self.prefetch_related(Prefetch("ends", queryset=LinkEnd.objects.select_related("router", "external")))
