"""Addresses of notices and feeds."""

from django.urls import URLPattern, path

from fleet.notices import views

urlpatterns: list[URLPattern] = [
    path("feeds/<str:token>.ics", views.feed, name="feed"),
    path("notices/", views.notices, name="notices"),
    path("notices/provider", views.provider_notice, name="provider-notice"),
    path("notices/feeds", views.make_feed, name="make-feed"),
    path("notices/feeds/<int:pk>/revoke", views.revoke_feed, name="revoke-feed"),
]
