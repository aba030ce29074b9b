"""The Django app of people: who may do what, where, and how they sign in."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """People."""

    name = "fleet.people"
    verbose_name = "people"

    def ready(self) -> None:
        from fleet.people import adapters  # noqa: F401  (listens to sign-ins)
