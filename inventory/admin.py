"""The inventory in the Django admin: for looking, and for the odd row that a file does not bring."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from fleet import clock
from inventory import models

# Generic for the type checker only: Django's classes take no parameters at run time.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    InlineFormSet = BaseInlineFormSet[Any, Any, Any]
else:
    ModelAdmin, TabularInline, InlineFormSet = admin.ModelAdmin, admin.TabularInline, BaseInlineFormSet


@admin.register(models.FailureDomain)
class FailureDomainAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)


@admin.register(models.Site)
class SiteAdmin(ModelAdmin):
    list_display = ("name", "failure_domain", "time_zone")
    list_filter = ("failure_domain", "time_zone")
    list_select_related = ("failure_domain",)
    search_fields = ("name",)


@admin.register(models.Credential)
class CredentialAdmin(ModelAdmin):
    list_display = ("name", "username", "reference", "become")
    list_filter = ("become",)
    search_fields = ("name", "username")


class HostKeyInline(TabularInline):
    """Keys are shown, not edited: a key changes by an import that accepts it, which leaves the old one on record."""

    model = models.HostKey
    extra = 0
    can_delete = False
    fields = readonly_fields = ("algorithm", "fingerprint", "added_at", "retired_at")

    def has_add_permission(self, request: HttpRequest, obj: models.Router | None = None) -> bool:
        return False


@admin.register(models.Router)
class RouterAdmin(ModelAdmin):
    list_display = ("name", "site", "role", "suite", "platform", "address", "port", "router_id")
    list_filter = ("site__failure_domain", "site", "role", "suite", "platform")
    list_select_related = ("site",)
    search_fields = ("name", "address", "router_id")
    readonly_fields = ("created_at",)
    inlines = (HostKeyInline,)


@admin.register(models.HostKey)
class HostKeyAdmin(ModelAdmin):
    list_display = ("router", "algorithm", "fingerprint", "added_at", "retired_at")
    list_filter = ("algorithm", ("retired_at", admin.EmptyFieldListFilter))
    list_select_related = ("router",)
    search_fields = ("router__name",)
    readonly_fields = ("added_at", "retired_at")
    actions = ("retire",)

    @admin.action(description="Retire (no connection until another key is given)", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[models.HostKey]) -> None:
        count = queryset.filter(retired_at__isnull=True).update(retired_at=clock.now())
        self.message_user(request, f"{count} host key(s) retired.")

    def has_change_permission(self, request: HttpRequest, obj: models.HostKey | None = None) -> bool:
        """Single keys are not edited; the list and its action are there for who may change host keys."""
        return obj is None and super().has_change_permission(request)


@admin.register(models.External)
class ExternalAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)


class LinkEndFormSet(InlineFormSet):
    """Both ends together: two of them, of two devices, at least one a router. The same rules as for a file."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        ends = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        devices = [end.get("router") or end.get("external") for end in ends]
        if len(ends) != 2:
            raise ValidationError(f"found {len(ends)} end(s), wanted two")
        if devices[0] == devices[1]:
            raise ValidationError(f"found a link of {devices[0]} to itself, wanted two different devices")
        if not any(end.get("router") for end in ends):
            raise ValidationError("found two externals, wanted at least one router")


class LinkEndInline(TabularInline):
    model = models.LinkEnd
    formset = LinkEndFormSet
    extra = 0
    min_num = 2
    max_num = 2
    autocomplete_fields = ("router", "external")


@admin.register(models.Link)
class LinkAdmin(ModelAdmin):
    list_display = ("__str__", "kind", "capacity_mbps")
    list_filter = ("kind",)
    search_fields = ("ends__router__name", "ends__external__name")
    inlines = (LinkEndInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.Link]:
        return models.Link.objects.with_ends()


@admin.register(models.KeepConnected)
class KeepConnectedAdmin(ModelAdmin):
    list_display = ("__str__", "floor_mbps")


class ReadOnly:
    """What devices said: looked at here, written by `collect` alone."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Interface)
class InterfaceAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "name", "kind", "mac", "last_seen_at")
    list_filter = ("kind",)
    list_select_related = ("router",)
    search_fields = ("router__name", "name", "mac")


@admin.register(models.Nic)
class NicAdmin(ReadOnly, ModelAdmin):
    list_display = ("interface", "driver", "driver_version", "firmware", "pci_address", "last_seen_at")
    list_filter = ("driver", "driver_version", "firmware")
    list_select_related = ("interface__router",)
    search_fields = ("router__name", "interface__name", "driver", "firmware")


@admin.register(models.Observation)
class ObservationAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "kind", "observed_at", "digest")
    list_filter = ("kind", "observed_at")
    list_select_related = ("router",)
    search_fields = ("router__name", "digest")
    show_full_result_count = False  # counting a history of millions for a page header helps nobody
