"""The base of every view of the API: what it asks for is written beside it, and nothing is answered without that.

    class Pause(ApiView):
        name = "change-pause"
        ops = methods(POST=Op(Scope.OPERATE, rights=(OPERATE,), takes=Why, gives=ChangeOut, refuses=True))

From `ops` come the check of scope and right, the OpenAPI document, and the matrix that the tests try.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from fleet import guards
from fleet.api import idempotency, paging
from fleet.api.authentication import TokenAuthentication
from fleet.api.json_only import Negotiation, Parser
from fleet.api.models import ApiToken
from fleet.api.problems import Problem
from fleet.api.schema import Schema
from fleet.api.scopes import Scope
from fleet.api.throttles import PerToken, Rate
from fleet.core.model import Reason

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
AnySerializer = serializers.Serializer[Any]


@dataclass(frozen=True)
class Op:
    """One method of a view.

    `rights`: one of these (none: everybody who may sign in, and the function that acts asks the rest); `query`: what
    may stand in the address; `takes`, `gives`: what is sent and answered; `many`: a page of it; `refuses`: may say 409;
    `match`: the ETag must be sent in If-Match; `once`: needs an Idempotency-Key (every POST but those that only ask).
    """

    scope: Scope
    rights: tuple[str, ...] = ()
    query: type[AnySerializer] | None = None
    takes: type[AnySerializer] | None = None
    gives: type[AnySerializer] | None = None
    status: int = 200
    many: bool = False
    refuses: bool = False
    match: bool = False
    may_match: bool = False
    once: bool = True
    media: str = "application/json"


def methods(**ops: Op) -> Mapping[str, Op]:
    """What is said of each method of a view."""
    return ops


class Allowed(BasePermission):
    """Scope of the token and right of the person: both, or the answer says what is missing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        assert isinstance(view, ApiView)
        if not isinstance(request.auth, ApiToken):
            raise exceptions.NotAuthenticated
        op = view.op(request)
        if op is None:
            raise exceptions.MethodNotAllowed(str(request.method))
        if op.scope not in request.auth.scopes:
            reason = Reason(
                "scope",
                f"{', '.join(request.auth.scopes)} in token {request.auth.prefix}",
                op.scope,
                "Make a token with this scope at /tokens/.",
            )
            raise Problem(403, "scope", [reason])
        person = request.user
        if op.rights and not any(person.has_perm(right) for right in op.rights):
            raise Problem(403, "permission", [guards.missing(*op.rights)])
        return True


class ApiView(APIView):
    """A view of the API. `name`: of its address, and the beginning of its operation ids."""

    name: ClassVar[str] = ""
    ops: ClassVar[Mapping[str, Op]] = {}
    tag: ClassVar[str] = ""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (Allowed,)
    throttle_classes = (PerToken,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (Parser,)
    content_negotiation_class = Negotiation
    schema = Schema()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        handled = {m for m in METHODS if hasattr(cls, m.lower())}
        if handled != set(cls.ops):
            raise TypeError(f"{cls.__name__}: found handlers of {sorted(handled)}, wanted those of {sorted(cls.ops)}")

    def op(self, request: Request | HttpRequest) -> Op | None:
        """What is said of the method of this request."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        return self.ops.get(method)

    @property
    def allowed_methods(self) -> list[str]:
        return [*self.ops, *(["HEAD"] if "GET" in self.ops else [])]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\x00" in str(value) for value in kwargs.values()):
            raise exceptions.NotFound
        if any(isinstance(value, int) and value > paging.LARGEST for value in kwargs.values()):
            raise exceptions.NotFound  # no row has a number that the database cannot hold
        op = self.op(request)
        assert op is not None  # Allowed has seen to it
        self.asked = self._query(request, op)
        self.sent = self._content(request, op)
        if request.method == "POST" and op.once:
            handler: Callable[..., Response] = getattr(self, "post")  # noqa: B009  # the base has none
            setattr(self, "post", lambda *a, **k: idempotency.once(request, lambda: handler(*a, **k)))  # noqa: B010

    def _query(self, request: Request, op: Op) -> dict[str, Any]:
        """What stands in the address, checked; a word that nothing is known of is refused."""
        kind = op.query or Nothing
        fields = kind().fields
        known = {*fields, *(["fields"] if op.gives else [])}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            wanted = ", ".join(sorted(known)) or "nothing"
            raise Problem(400, "invalid", [Reason(f"query {w[:60]!r}", "unknown", wanted) for w in unknown])
        several = [w for w, values in request.query_params.lists() if len(values) > 1]
        if several:
            raise Problem(400, "invalid", [Reason(f"query {w}", "given twice", "once") for w in several])
        self.narrowed = _narrowed(request.query_params.get("fields"), op)
        reader = kind(data=request.query_params.dict())
        reader.is_valid(raise_exception=True)
        return {k: v for k, v in reader.validated_data.items() if v is not None}

    def _content(self, request: Request, op: Op) -> dict[str, Any]:
        """What was sent, checked. A method that takes nothing takes an empty content as well."""
        if request.method in {"GET", "HEAD"}:
            return {}
        data = request.data
        if not isinstance(data, Mapping):
            raise Problem(400, "invalid", [Reason("content", type(data).__name__, "a JSON object")])
        kind = op.takes or Nothing
        if unknown := tuple(_unknown(kind(), data, "")):
            raise Problem(400, "invalid", unknown)
        reader = kind(data=data)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished.headers.setdefault("Cache-Control", "no-store")
        rate = request._request.META.get("slipway.rate") if isinstance(request, Request) else None
        for name, value in (rate.headers() if isinstance(rate, Rate) else {}).items():
            finished.headers[name] = value
        return finished

    # --- answers ---------------------------------------------------------------------------------------------------

    def person(self) -> User:
        """Who asks."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def answer(self, row: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """One thing, with its ETag; 304 when the client has it already."""
        op = self.op(self.request)
        assert op is not None and op.gives is not None
        whole = op.gives(row).data
        tag = etag(whole)
        if self.request.method in {"GET", "HEAD"} and _names(self.request.headers.get("If-None-Match", ""), tag):
            return Response(status=304, headers={"ETag": tag})
        data = self._narrow(whole) if self.request.method in {"GET", "HEAD"} else whole
        return Response(data, status=status, headers={"ETag": tag, **(headers or {})})

    def page(self, rows: Any, *, newest_first: bool = False, endless: bool = False, prepare: Any = None) -> Response:
        """A page of things. `prepare`: what is read for all rows of a page at once."""
        op = self.op(self.request)
        assert op is not None and op.gives is not None
        limit = self.asked.get("limit", paging.USUAL)
        found = paging.page(
            rows,
            self.request,
            cursor=self.asked.get("cursor"),
            limit=limit,
            newest_first=newest_first,
            endless=endless,
        )
        shown = prepare(found.rows) if prepare is not None else found.rows
        items = [self._narrow(op.gives(row).data) for row in shown]
        return Response({"items": items, "cursor": found.cursor, "next": found.next})

    def _narrow(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Only the fields that were asked for."""
        return {k: v for k, v in data.items() if k in self.narrowed} if self.narrowed else data

    def check_match(self, gives: type[AnySerializer], row: Any) -> None:
        """If-Match: what the client has seen is what there is. Raises a Problem with 412, or 428 where it is wanted."""
        op = self.op(self.request)
        assert op is not None
        said = self.request.headers.get("If-Match", "")
        if not said:
            if op.match:
                remedy = "Read it first, and send the ETag of that answer."
                raise Problem(428, "precondition_required", [Reason("If-Match", "none", "an ETag", remedy)])
            return
        tag = etag(gives(row).data)
        if not _names(said, tag):
            remedy = "Somebody was quicker: read it again, then decide again."
            raise Problem(412, "precondition_failed", [Reason("If-Match", said[:80], tag, remedy)])


def _narrowed(said: str | None, op: Op) -> Sequence[str]:
    """The fields that were asked for; none: all of them."""
    if said is None or op.gives is None:
        return ()
    known = list(op.gives().fields)
    if unknown := [n for n in said.split(",") if n not in known]:
        wanted = ", ".join(known)
        raise Problem(400, "invalid", [Reason(f"fields {n[:60]!r}", "unknown", wanted) for n in unknown[:5]])
    return said.split(",")


def _unknown(kind: AnySerializer, data: Mapping[str, Any], before: str) -> Iterator[Reason]:
    """Names that nothing is known of, also within."""
    for name in sorted(set(data) - set(kind.fields)):
        yield Reason(f"field {(before + str(name))[:60]!r}", "unknown", ", ".join(kind.fields) or "nothing")
    for name, field in kind.fields.items():
        if isinstance(field, serializers.Serializer) and isinstance(inner := data.get(name), Mapping):
            yield from _unknown(field, inner, f"{before}{name}.")


def etag(data: Any) -> str:
    """The entity tag of an answer: a digest of all of it, whatever fields are asked for."""
    return f'"{hashlib.sha256(JSONRenderer().render(data)).hexdigest()[:32]}"'


def _names(header: str, tag: str) -> bool:
    """Does a list of entity tags name this one?"""
    return any(word.strip().removeprefix("W/") in {tag, "*"} for word in header.split(","))


class Nothing(serializers.Serializer[Any]):
    """No fields at all."""


class Paged(serializers.Serializer[Any]):
    """What may stand in the address of every list."""

    limit = serializers.IntegerField(min_value=1, max_value=paging.MOST, required=False, help_text="rows of a page")
    cursor = serializers.IntegerField(
        min_value=0, max_value=paging.LARGEST, required=False, help_text="`cursor` of the page before"
    )
