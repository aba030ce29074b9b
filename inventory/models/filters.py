"""Filters of list pages that people keep under a name."""

from django.conf import settings
from django.db import models


class SavedFilter(models.Model):
    """The query of a list page under a name; its owner's own, or shown to everybody."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    query = models.CharField(max_length=1023, blank=True, default="", help_text="as in the address, without the ?")
    shared = models.BooleanField(default=False)

    class Meta:
        ordering = ("page", "name")
        constraints = (
            models.UniqueConstraint(fields=("owner", "page", "name"), name="saved_filter_once_per_owner_and_page"),
        )

    def __str__(self) -> str:
        return f"{self.page}: {self.name}"
