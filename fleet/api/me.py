"""Who is asking, with what token; and the OpenAPI document."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.models import ApiToken
from fleet.api.problems import PROBLEM
from fleet.api.problems import document as document_of
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.core.model import Reason
from fleet.people import rights
from fleet.people.roles import RIGHTS


class PlaceOut(serializers.Serializer[Any]):
    """A role, and where it holds (empty: everywhere)."""

    role = serializers.CharField()
    sites = serializers.ListField(child=serializers.CharField())
    device_roles = serializers.ListField(child=serializers.CharField())


class MeOut(serializers.Serializer[Any]):
    """Who asks, and what they may do."""

    username = serializers.CharField()
    service_account = serializers.BooleanField()
    token = serializers.CharField(help_text="the prefix of the token")
    token_name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField([s.value for s in Scope]))
    expires_at = serializers.DateTimeField()
    rights = serializers.ListField(child=serializers.CharField(), help_text="of those that roles give")
    roles = PlaceOut(many=True)


class MeView(ApiView):
    """Who is asking."""

    name, tag = "me", "me"
    ops = methods(GET=Op(Scope.READ, gives=MeOut))

    def get(self, request: Request) -> Response:
        """Say who asks: the account, its token and scopes, its rights."""
        token, person = request.auth, self.person()
        assert isinstance(token, ApiToken)
        every = sorted(frozenset[str]().union(*RIGHTS.values()))
        return self.answer(
            {
                "username": person.get_username(),
                "service_account": hasattr(person, "service_account"),
                "token": token.prefix,
                "token_name": token.name,
                "scopes": token.scopes,
                "expires_at": token.expires_at,
                "rights": [right for right in every if person.has_perm(right)],
                "roles": [
                    {"role": p.role, "sites": sorted(p.sites), "device_roles": sorted(p.device_roles)}
                    for p in rights.places(person)
                ],
            }
        )


@csrf_exempt
def nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    """An address that does not exist: said in JSON, as everything here."""
    reason = Reason("address", request.path[:200], "one that exists", "See docs/api.md or /api/v1/openapi.json.")
    return JsonResponse(document_of(404, "not_found", [reason]), status=404, content_type=PROBLEM)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The OpenAPI 3.1 document of the API. It holds nothing of this installation, so it needs no token."""
    return JsonResponse(document())


def document() -> dict[str, Any]:
    """The OpenAPI document, whoever asks."""
    from drf_spectacular.generators import SchemaGenerator

    from fleet.api import urls

    generator: Any = SchemaGenerator(patterns=urls.mounted)  # type: ignore[no-untyped-call]  # spectacular
    found: dict[str, Any] = generator.get_schema(request=None, public=True)
    return found
