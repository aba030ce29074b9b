"""Addresses of changes, their targets and events."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
