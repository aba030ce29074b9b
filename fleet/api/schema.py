"""The OpenAPI document, made from what each view says of itself (`ops`): every status that it may answer is in it."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from fleet.api.scopes import SCOPE_WORDS

if TYPE_CHECKING:
    from fleet.api.views import ApiView, Op

PROBLEM = "application/problem+json"
KEY_FORM = r"^[A-Za-z0-9._~:/+=@-]{1,255}$"


class ReasonOut(serializers.Serializer[Any]):
    """Why the answer is no."""

    subject = serializers.CharField()
    found = serializers.CharField()
    wanted = serializers.CharField()
    remedy = serializers.CharField()
    text = serializers.CharField(help_text="all of it as a sentence, as the pages show it")


class ProblemOut(serializers.Serializer[Any]):
    """A "no" (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    reasons = ReasonOut(many=True)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its registry is untyped
    """The token in the Authorization header."""

    target_class = "fleet.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        words = "; ".join(f"`{scope}`: {words}" for scope, words in SCOPE_WORDS.items())
        return {"type": "http", "scheme": "bearer", "description": f"A token, made at /tokens/. Scopes: {words}."}


_WORDS = {
    400: "What was sent is not understood.",
    401: "No token, or one that does not work.",
    403: "Scope or right are missing.",
    404: "There is no such thing.",
    409: "No, as things stand, with every reason; or a request with this key is still running.",
    412: "It is not as you saw it (If-Match).",
    413: "Too large.",
    415: "Not JSON.",
    422: "The Idempotency-Key is that of another request.",
    428: "If-Match is wanted.",
    429: "Too many requests; Retry-After says when to go on.",
}


class Schema(AutoSchema):
    """Reads `ops` of a view."""

    @property
    def op(self) -> "Op":
        return self._asked.ops[self.method]

    @property
    def _asked(self) -> "ApiView":
        view: Any = self.view
        return view  # type: ignore[no-any-return]  # spectacular

    def get_operation_id(self) -> str:
        return f"{self.method.lower()}_{self._asked.name.replace('-', '_')}"

    def get_tags(self) -> list[str]:
        return [self._asked.tag]

    def get_summary(self) -> str:
        text = (getattr(self.view, self.method.lower()).__doc__ or self.view.__doc__ or "").strip()
        return str(text.partition("\n")[0])

    def get_description(self, *_: Any) -> str:
        rights = " or ".join(f"`{r}`" for r in self.op.rights)
        needs = f"Scope `{self.op.scope}`" + (f"; right {rights}" if rights else "")
        return f"{self.get_summary()}\n\n{needs}."

    def get_request_serializer(self) -> Any:
        return self.op.takes

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = [self.op.query] if self.op.query else []
        if self.op.gives and self.method == "GET" and self.op.media == "application/json":
            names = ", ".join(self.op.gives().fields)
            found.append(OpenApiParameter("fields", str, pattern=_fields_form(self.op), description=f"some of {names}"))
        if self.method == "POST" and self.op.once:
            found.append(_header("Idempotency-Key", "A new UUID for each new request.", KEY_FORM, required=True))
        if self.op.match or self.op.may_match:
            found.append(
                _header("If-Match", "The ETag that you saw.", r'^(\*|"[0-9a-f]{32}")$', required=self.op.match)
            )
        return found

    def get_response_serializers(self) -> Any:
        op = self.op
        good: Any = op.gives
        if op.many and op.gives is not None:
            good = _page_of(op.gives)
        found: dict[Any, Any] = {}
        if op.media != "application/json":
            found[(op.status, op.media)] = OpenApiResponse(bytes, "The file.")
        else:
            found[op.status] = OpenApiResponse(good, "Done.") if good else OpenApiResponse(None, "Done.")
        for status in self._refusals():
            found[(status, PROBLEM)] = OpenApiResponse(ProblemOut, _WORDS[status])
        return found

    def _refusals(self) -> list[int]:
        op = self.op
        statuses = {400, 401, 403, 429}
        if "{" in self.path:
            statuses.add(404)
        if op.refuses:
            statuses.add(409)
        if self.method != "GET":
            statuses |= {413, 415}
        if self.method == "POST" and op.once:
            statuses |= {409, 422}
        if op.match or op.may_match:
            statuses.add(412)
        if op.match:
            statuses.add(428)
        return sorted(statuses)


def _fields_form(op: "Op") -> str:
    assert op.gives is not None
    names = "|".join(op.gives().fields)
    return f"^({names})(,({names}))*$"


def _header(name: str, words: str, form: str, *, required: bool) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, required=required, description=words, pattern=form)


@cache
def _page_of(kind: Any) -> Any:
    name = f"{kind.__name__.removesuffix('Out')}Page"
    fields: Mapping[str, Any] = {
        "items": kind(many=True),
        "cursor": serializers.IntegerField(allow_null=True),
        "next": serializers.CharField(allow_null=True, help_text="the address of the next page"),
    }
    return inline_serializer(name, dict(fields))


def closed(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: what is sent has the named fields and no others, within as well; what is answered to
    `fields=` has some of them."""
    parts = result["components"]["schemas"]
    for path in result["paths"].values():
        for method, operation in path.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                _close(media.get("schema", {}), parts)
            if method == "get":
                for answer in operation["responses"].values():
                    _loosen(answer.get("content", {}).get("application/json", {}), parts)
    return result


def _name(said: Mapping[str, Any]) -> str:
    return str(said.get("$ref", "")).rpartition("/")[2]


def _close(said: Mapping[str, Any], parts: dict[str, Any]) -> None:
    """No other names, here and in what is within."""
    if name := _name(said):
        parts[name]["additionalProperties"] = False
        for inner in parts[name].get("properties", {}).values():
            _close(inner, parts)
    for inner in said.get("allOf", ()):
        _close(inner, parts)


def _loosen(media: dict[str, Any], parts: dict[str, Any]) -> None:
    """All of a thing, or some of its fields; the same for the things of a page."""
    if not (name := _name(media.get("schema", {}))):
        return
    if name.endswith("Page"):
        items = parts[name]["properties"]["items"]
        items["items"] = _some(items["items"], parts)
    else:
        media["schema"] = _some(media["schema"], parts)


def _some(said: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    if not (name := _name(said)):
        return said
    sparse = f"{name}Fields"
    parts[sparse] = {k: v for k, v in parts[name].items() if k != "required"}
    parts[sparse]["additionalProperties"] = False
    return {"anyOf": [said, {"$ref": f"#/components/schemas/{sparse}"}]}
