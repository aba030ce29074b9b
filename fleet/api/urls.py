"""All addresses of the API, under /api/v1. No slash at the end."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from fleet.api import me

urlpatterns: list[URLPattern | URLResolver] = [
    path("openapi.json", me.openapi, name="api-openapi"),
    path("me", me.MeView.as_view(), name="api-me"),
    path("", include("fleet.changes.api.urls")),
    path("", include("inventory.api.urls")),
    re_path(r"^(?P<rest>[\s\S]*)$", me.nowhere, name="api-nowhere"),
]
# As fleet/urls.py has it: what the OpenAPI document is made from.
mounted: list[URLPattern | URLResolver] = [path("api/v1/", include(urlpatterns))]
