"""Addresses that machines ask."""

from django.urls import URLPattern, path

from fleet.metrics import views

urlpatterns: list[URLPattern] = [
    path("metrics", views.metrics, name="metrics"),
    path("health", views.health, name="health"),
    path("ready", views.ready, name="ready"),
]
