"""The change engine as a Django app."""

from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Changes, their revisions, approvals, runs and events."""

    name = "fleet.changes"
    label = "changes"
    verbose_name = "Changes"
