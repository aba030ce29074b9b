"""The Django app of the API: its tokens, service accounts and answers that are kept for a retry."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API."""

    name = "fleet.api"
    label = "api"
    verbose_name = "API"
