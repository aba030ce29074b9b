"""Addresses of the inventory, observations, intent and drift in the API."""

from django.urls import URLPattern, path

from inventory.api import seen, things

urlpatterns: list[URLPattern] = [
    *things.addresses(),
    *(path(address, view.as_view(), name=f"api-{view.name}") for address, view in seen.VIEWS),
]
