"""Everything that people enter in the inventory (sites, devices, links, profiles ...), by the forms of its pages.

Two views for each thing of `inventory.views.edit.THINGS`: a thing that is added there has its addresses here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet, RestrictedError
from django.forms import ModelForm
from django.http import Http404
from django.urls import URLPattern, path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.fields import Text
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, Paged, methods
from fleet.core.model import Reason
from inventory.api import fields
from inventory.models import Link, Router
from inventory.views.edit import THINGS, Thing, in_use, saved

TAG = "inventory"
Shape = type[serializers.Serializer[Any]]


def _form_fields(form: type["ModelForm[Any]"]) -> Mapping[str, forms.Field]:
    return form.base_fields


def _named(thing: Thing) -> str:
    return "".join(word.capitalize() for word in thing.slug.split("-"))


def _out(thing: Thing) -> Shape:
    made: dict[str, Any] = {name: fields.given(name, f) for name, f in _form_fields(thing.form).items()}
    extra: dict[str, Any] = {}
    if thing.model is Router:
        extra = {
            "stale_since": serializers.DateTimeField(allow_null=True),
            "source": serializers.CharField(allow_blank=True),
            "source_id": serializers.CharField(allow_blank=True),
            "created_at": serializers.DateTimeField(),
        }
    content = {"id": serializers.IntegerField(), **made, **extra, "__doc__": f"A {thing.words}."}
    return type(f"{_named(thing)}Out", (serializers.Serializer,), content)


def _in(thing: Thing, form: type["ModelForm[Any]"], words: str) -> Shape:
    made: dict[str, Any] = {name: fields.taken(name, f) for name, f in _form_fields(form).items()}
    return type(f"{_named(thing)}{words}", (serializers.Serializer,), {**made, "__doc__": f"A {thing.words}."})


class DevicesAsked(Paged):
    """Which devices."""

    name = Text(max_length=63, required=False)
    site = Text(max_length=63, required=False)
    role = Text(max_length=63, required=False)
    suite = Text(max_length=8, required=False)
    kind = Text(max_length=8, required=False)
    stale = serializers.BooleanField(required=False, allow_null=True, default=None)


class NamedAsked(Paged):
    """Which of them."""

    name = Text(max_length=255, required=False)


class _Things(ApiView):
    thing: ClassVar[Thing]
    out: ClassVar[Shape]
    tag = TAG

    def rows(self) -> "QuerySet[Any]":
        """All of them, with what they are shown with."""
        rows: QuerySet[Any] = self.thing.model._default_manager.order_by("pk")
        others = [n for n, f in _form_fields(self.thing.form).items() if isinstance(f, forms.ModelChoiceField)]
        rows = rows.select_related(*others) if others else rows
        return rows.with_ends() if isinstance(rows.model(), Link) else rows  # type: ignore[attr-defined]

    def one(self, pk: int) -> Any:
        row = self.rows().filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no {self.thing.words} {pk}.")
        return row

    def shown(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows as the API says them."""
        return [self._shown(row) for row in rows]

    def _shown(self, row: Any) -> dict[str, Any]:
        about = _ends(row) if isinstance(row, Link) else {}
        said = {n: fields.value_of(row, n, f, about) for n, f in _form_fields(self.thing.form).items()}
        if isinstance(row, Router):
            names = ("stale_since", "source", "source_id", "created_at")
            said |= {name: getattr(row, name) for name in names}
        return {"id": row.pk, **said}

    def keep(self, form_class: type["ModelForm[Any]"], row: Model | None, *, status: int) -> Response:
        """Fill in the form, save it whole or say everything that is wrong."""
        known = _form_fields(form_class)
        data = {name: f.initial for name, f in known.items() if f.initial is not None and not callable(f.initial)}
        data |= {name: fields.text_of(name, known[name], value) for name, value in self.sent.items()}
        form = form_class(data, instance=row)
        kept = saved(form) if form.is_valid() else None
        if kept is None:
            return refused(
                [
                    Reason(self.thing.words if field == "__all__" else field, "what does not do", error.rstrip("."))
                    for field, errors in form.errors.get_json_data().items()
                    for error in (str(e["message"]) for e in errors)
                ]
            )
        where = self.request.build_absolute_uri(f"/api/v1/inventory/{self.thing.folder}/{kept.pk}")
        return self.answer(self._shown(self.one(kept.pk)), status=status, headers={"Location": where})


def _ends(link: Link) -> dict[str, str]:
    found: dict[str, str] = {}
    for end in link.ends.all():
        found[f"{end.side}_device"] = str(end.router or end.external)
        found[f"{end.side}_interface"] = end.interface
    return found


_FILTERS = {"name": "name", "site": "site__name", "role": "role", "suite": "suite", "kind": "kind"}


def _list(thing: Thing, out: Shape) -> type[ApiView]:
    """The view of all rows of a thing."""
    named = any(f.name == "name" for f in thing.model._meta.get_fields())
    query: Any = DevicesAsked if thing.model is Router else (NamedAsked if named else Paged)

    def get(self: _Things, request: Request) -> Response:
        rows = self.rows()
        for word, field in _FILTERS.items():
            if word in self.asked:
                rows = rows.filter(**{field: self.asked[word]})
        if "stale" in self.asked:
            rows = rows.filter(stale_since__isnull=not self.asked["stale"])
        return self.page(rows, prepare=self.shown)

    def post(self: _Things, request: Request) -> Response:
        return self.keep(thing.new_form or thing.form, None, status=201)

    get.__doc__ = f"List what there is: every {thing.words}."
    post.__doc__ = f"Add a {thing.words}."
    takes = _in(thing, thing.new_form or thing.form, "New")
    ops = methods(
        GET=Op(Scope.READ, query=query, gives=out, many=True),
        POST=Op(Scope.INVENTORY, rights=(thing.right("add"),), takes=takes, gives=out, status=201, refuses=True),
    )
    content = {"name": f"inventory-{thing.folder}", "ops": ops, "thing": thing, "out": out, "get": get, "post": post}
    return type(f"{_named(thing)}List", (_Things,), {**content, "__doc__": get.__doc__})


def _detail(thing: Thing, out: Shape) -> type[ApiView]:
    """The view of one row of a thing."""

    def get(self: _Things, request: Request, pk: int) -> Response:
        return self.answer(self._shown(self.one(pk)))

    def put(self: _Things, request: Request, pk: int) -> Response:
        with transaction.atomic():
            row = thing.model._default_manager.select_for_update().filter(pk=pk).first()
            self.check_match(out, self._shown(self.one(pk)))
            return self.keep(thing.form, row, status=200)

    def delete(self: _Things, request: Request, pk: int) -> Response:
        row = self.one(pk)
        self.check_match(out, self._shown(row))
        try:
            with transaction.atomic():
                row.delete()
        except (ProtectedError, RestrictedError, TypeError, IntegrityError) as error:
            return refused([in_use(f"{thing.words} {row}", error)])
        return Response(status=204)

    get.__doc__ = f"Show a {thing.words}."
    put.__doc__ = f"Write a {thing.words} anew, whole."
    delete.__doc__ = f"Remove a {thing.words} that nothing needs."
    write: dict[str, Any] = {"refuses": True, "match": True}
    takes = _in(thing, thing.form, "Wanted")
    ops = methods(
        GET=Op(Scope.READ, gives=out),
        PUT=Op(Scope.INVENTORY, rights=(thing.right("change"),), takes=takes, gives=out, **write),
        DELETE=Op(Scope.INVENTORY, rights=(thing.right("delete"),), status=204, **write),
    )
    content = {"name": f"inventory-{thing.slug}", "ops": ops, "thing": thing, "out": out, "get": get, "put": put}
    return type(f"{_named(thing)}Detail", (_Things,), {**content, "delete": delete, "__doc__": get.__doc__})


def addresses() -> list[URLPattern]:
    """Two addresses for each thing: all of them, and one."""
    made = []
    for thing in THINGS:
        out = _out(thing)
        every, one = _list(thing, out), _detail(thing, out)
        made.append(path(f"inventory/{thing.folder}", every.as_view(), name=f"api-{every.name}"))
        made.append(path(f"inventory/{thing.folder}/<int:pk>", one.as_view(), name=f"api-{one.name}"))
    return made
