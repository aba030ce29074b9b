"""Which role somebody, or a group, has on which devices."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from fleet.people.roles import Role


def names_only(value: Any) -> None:
    """Refuse what is not a list of names."""
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValidationError('wanted a list of names: ["edge", "core"]')


class Grant(models.Model):
    """A role for a person or for a group, at some sites and for some roles of devices; empty: at all of them."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="grants"
    )
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Role])
    sites = models.ManyToManyField("inventory.Site", blank=True, related_name="+")
    device_roles = models.JSONField(default=list, blank=True, validators=[names_only], help_text='["edge"]')

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(person__isnull=False, group__isnull=True) | Q(person__isnull=True, group__isnull=False),
                name="grant_is_for_a_person_or_a_group",
                violation_error_message="wanted a person or a group, not both and not neither",
            ),
        )

    def __str__(self) -> str:
        return f"{self.role} for {self.person or self.group}"
