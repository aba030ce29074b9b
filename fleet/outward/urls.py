"""Addresses of webhooks, of the pages about them, and of tickets."""

from django.urls import URLPattern, path

from fleet.outward.views import endpoints, hooks, tickets

urlpatterns: list[URLPattern] = [
    path("hooks/<slug:name>/", hooks.take, name="hook"),
    path("webhooks/", endpoints.endpoints, name="endpoints"),
    path("webhooks/add/", endpoints.edit, name="endpoint-add"),
    path("webhooks/dead/", endpoints.dead, name="dead-letters"),
    path("webhooks/dead/resend", endpoints.resend, name="dead-resend"),
    path("webhooks/<int:pk>/", endpoints.endpoint, name="endpoint"),
    path("webhooks/<int:pk>/edit/", endpoints.edit, name="endpoint-edit"),
    path("webhooks/<int:pk>/ping", endpoints.ping, name="endpoint-ping"),
    path("webhooks/<int:pk>/try", endpoints.try_now, name="endpoint-try"),
    path("tickets/", tickets.tickets, name="tickets"),
    path("tickets/<int:pk>/look", tickets.look, name="ticket-look"),
]
