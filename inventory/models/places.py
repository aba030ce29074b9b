"""Where things stand: failure domains and sites."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models

from inventory.models.names import name_is_plain


def check_time_zone(value: str) -> None:
    """Refuse what the time zone database of this machine does not know."""
    if value not in available_timezones():
        raise ValidationError(f"found {value!r}, wanted a time zone such as Europe/London")


class FailureDomain(models.Model):
    """Things that fail together."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Site(models.Model):
    """A place with routers. Its time zone is the one in which its people read a window."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    failure_domain = models.ForeignKey(FailureDomain, on_delete=models.PROTECT, related_name="sites")
    time_zone = models.CharField(max_length=63, default="UTC", validators=[check_time_zone])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
