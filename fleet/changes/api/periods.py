"""Windows and freezes: as the forms keep them. One is never edited: it is withdrawn, or exchanged for another."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.changes import windows as keeping
from fleet.changes.api import asked, shapes
from fleet.changes.models import Freeze, Window
from fleet.changes.windows import Wanted
from fleet.core.model import Reason
from fleet.people import rights
from fleet.people.roles import CALENDAR

TAG = "calendar"


def shown(rows: Sequence[Window | Freeze]) -> Sequence[Window | Freeze]:
    """Rows with their start and length as the API writes them."""
    for row in rows:
        about: Any = row
        about.local_start = f"{row.day.isoformat()}T{row.time:%H:%M:%S}".removesuffix(":00")
        about.length_s = int(row.length.total_seconds())
    return rows


class _Periods(ApiView):
    """Windows or freezes."""

    model: ClassVar[type[Window] | type[Freeze]]
    tag = TAG

    def listed(self) -> Response:
        rows: Any = self.model._default_manager.select_related("created_by")
        rows = rows.filter(withdrawn_at__isnull=not self.asked.get("withdrawn", False))
        if "name" in self.asked:
            rows = rows.filter(name=self.asked["name"])
        return self.page(rows, prepare=shown)

    def one(self, pk: int) -> Window | Freeze:
        rows: Any = self.model._default_manager.select_related("created_by")
        row: Window | Freeze | None = rows.filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no {self.model._meta.verbose_name} {pk}.")
        return shown([row])[0]

    def wanted(self) -> Window | Freeze | tuple[Reason, ...]:
        """The row that was asked for, not yet kept."""
        said = self.sent
        try:
            starts = datetime.fromisoformat(said["starts"])
        except ValueError:
            found = repr(said["starts"])
            return (Reason("starts", found, "a local time, as 2026-12-01T01:00", "Leave the zone to `zone`."),)
        value = Wanted(
            name=said["name"],
            day=starts.date(),
            time=starts.time(),
            length=timedelta(seconds=said["length_s"]),
            zone=said["zone"],
            recurrence=said.get("repeat", ""),
            without=tuple(said.get("without", ())),
            sites=tuple(said.get("sites", ())),
            roles=tuple(said.get("roles", ())),
            recipes=tuple(said.get("recipes", ())),
            required=said.get("required", False),
            why=said.get("why", ""),
        )
        make = keeping.window_row if self.model is Window else keeping.freeze_row
        return make(value, self.person(), clock.now())

    def outside(self, *rows: Window | Freeze) -> tuple[Reason, ...]:
        """Why this person may not, for what these rows cover."""
        found = (rights.refusals_of_scope(self.person(), CALENDAR, sites=r.sites, roles=r.roles) for r in rows)
        return tuple(reason for reasons in found for reason in reasons)

    def added(self) -> Response:
        row = self.wanted()
        if isinstance(row, tuple):
            return refused(row)
        if outside := self.outside(row):
            return refused(outside, status=403, code="permission")
        if reasons := keeping.add(row):
            return refused(reasons)
        return self.kept(row, status=201)

    def exchanged(self, pk: int) -> Response:
        old = self.one(pk)
        self.check_match(self.shape, old)
        row = self.wanted()
        if isinstance(row, tuple):
            return refused(row)
        if outside := self.outside(old, row):
            return refused(outside, status=403, code="permission")
        if reasons := keeping.exchange(old, row, self.person(), clock.now()):
            return refused(reasons)
        return self.kept(row, status=201)

    def withdrawn(self, pk: int) -> Response:
        row = self.one(pk)
        self.check_match(self.shape, row)
        if outside := self.outside(row):
            return refused(outside, status=403, code="permission")
        if reasons := keeping.withdraw(row, self.person(), clock.now()):
            return refused(reasons)
        return Response(status=204)

    def kept(self, row: Window | Freeze, *, status: int) -> Response:
        """The row as it is now, and where."""
        word = "windows" if self.model is Window else "freezes"
        where = self.request.build_absolute_uri(f"/api/v1/{word}/{row.pk}")
        return self.answer(self.one(row.pk), status=status, headers={"Location": where})

    @property
    def shape(self) -> Any:
        return shapes.WindowOut if self.model is Window else shapes.FreezeOut


def _all(shape: Any, takes: Any) -> Any:
    return methods(
        GET=Op(Scope.READ, query=asked.PeriodsAsked, gives=shape, many=True),
        POST=Op(Scope.CALENDAR, rights=(CALENDAR,), takes=takes, gives=shape, status=201, refuses=True),
    )


def _one(shape: Any, takes: Any) -> Any:
    write = {"rights": (CALENDAR,), "refuses": True, "match": True}
    return methods(
        GET=Op(Scope.READ, gives=shape),
        PUT=Op(Scope.CALENDAR, takes=takes, gives=shape, status=201, **write),  # type: ignore[arg-type]
        DELETE=Op(Scope.CALENDAR, status=204, **write),  # type: ignore[arg-type]
    )


class WindowsView(_Periods):
    """Windows."""

    name, model, ops = "windows", Window, _all(shapes.WindowOut, asked.WindowWanted)

    def get(self, request: Request) -> Response:
        """List the windows that stand; with `withdrawn`: those that do not any more."""
        return self.listed()

    def post(self, request: Request) -> Response:
        """Add a window."""
        return self.added()


class WindowView(_Periods):
    """One window."""

    name, model, ops = "window", Window, _one(shapes.WindowOut, asked.WindowWanted)

    def get(self, request: Request, pk: int) -> Response:
        """Show a window."""
        return self.answer(self.one(pk))

    def put(self, request: Request, pk: int) -> Response:
        """Withdraw a window and put another in its place, or neither."""
        return self.exchanged(pk)

    def delete(self, request: Request, pk: int) -> Response:
        """Withdraw a window: it counts no longer."""
        return self.withdrawn(pk)


class FreezesView(_Periods):
    """Freezes."""

    name, model, ops = "freezes", Freeze, _all(shapes.FreezeOut, asked.FreezeWanted)

    def get(self, request: Request) -> Response:
        """List the freezes that stand; with `withdrawn`: those that do not any more."""
        return self.listed()

    def post(self, request: Request) -> Response:
        """Add a freeze."""
        return self.added()


class FreezeView(_Periods):
    """One freeze."""

    name, model, ops = "freeze", Freeze, _one(shapes.FreezeOut, asked.FreezeWanted)

    def get(self, request: Request, pk: int) -> Response:
        """Show a freeze."""
        return self.answer(self.one(pk))

    def put(self, request: Request, pk: int) -> Response:
        """Withdraw a freeze and put another in its place, or neither."""
        return self.exchanged(pk)

    def delete(self, request: Request, pk: int) -> Response:
        """Withdraw a freeze: it counts no longer."""
        return self.withdrawn(pk)
