"""The inventory in the Django admin: for looking, and for the odd row that a file does not bring."""

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from fleet import clock
from inventory import admin_circuits, admin_collection, admin_intent, admin_samples, admin_seen, models
from inventory.admin_base import InlineFormSet, ModelAdmin, TabularInline

__all__ = ["admin_circuits", "admin_collection", "admin_intent", "admin_samples", "admin_seen"]


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
    list_display = ("name", "kind", "site", "role", "suite", "platform", "address", "port", "router_id", "stale_since")
    list_filter = ("kind", "site__failure_domain", "site", "role", "suite", "platform", "source")
    list_select_related = ("site",)
    search_fields = ("name", "address", "router_id")
    readonly_fields = ("stale_since", "source", "source_id", "created_at")
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


@admin.register(models.Console)
class ConsoleAdmin(ModelAdmin):
    list_display = ("router", "kind", "address", "port", "credential")
    list_filter = ("kind",)
    list_select_related = ("router", "credential")
    search_fields = ("router__name", "address")
    autocomplete_fields = ("router", "credential")


@admin.register(models.Beacon)
class BeaconAdmin(ModelAdmin):
    list_display = ("router", "prefix", "test_address")
    list_select_related = ("router",)
    search_fields = ("router__name", "prefix")
    autocomplete_fields = ("router",)


@admin.register(models.Artifact)
class ArtifactAdmin(ModelAdmin):
    list_display = ("kind", "name", "version", "sha256", "location")
    list_filter = ("kind",)
    search_fields = ("name", "version", "sha256")


@admin.register(models.UcsDomain)
class UcsDomainAdmin(ModelAdmin):
    list_display = ("name", "site", "address", "port", "credential", "version", "collected_at")
    list_filter = ("site",)
    list_select_related = ("site", "credential")
    search_fields = ("name",)
    readonly_fields = ("version", "bundles", "collected_at", "tried_at", "said")


@admin.register(models.RackServer)
class RackServerAdmin(ModelAdmin):
    list_display = ("router", "address", "port", "credential", "model", "version", "collected_at")
    list_select_related = ("router", "credential")
    search_fields = ("router__name",)
    readonly_fields = ("model", "serial", "uuid", "version", "vnics", "collected_at", "tried_at", "said")


@admin.register(models.AdapterLimit)
class AdapterLimitAdmin(ModelAdmin):
    list_display = ("model", "receive", "transmit", "completions", "source")
    search_fields = ("model",)


@admin.register(models.AdapterPolicy)
class AdapterPolicyAdmin(ModelAdmin):
    list_display = (
        "domain", "dn", "rx_queues", "rx_ring", "tx_queues", "tx_ring", "completion_queues", "interrupts", "rss",
    )  # fmt: skip
    list_filter = ("domain", "rss")
    list_select_related = ("domain",)
    search_fields = ("dn",)


@admin.register(models.ServiceProfile)
class ServiceProfileAdmin(ModelAdmin):
    list_display = ("domain", "dn", "template", "adapter_policy", "maintenance_policy", "router")
    list_filter = ("domain", "maintenance_policy")
    list_select_related = ("domain", "template__domain", "adapter_policy__domain", "router")
    search_fields = ("dn", "router__name")
    autocomplete_fields = ("template", "adapter_policy", "router")


@admin.register(models.SavedFilter)
class SavedFilterAdmin(ModelAdmin):
    list_display = ("page", "name", "owner", "shared")
    list_filter = ("page", "shared")
    list_select_related = ("owner",)
    search_fields = ("name",)


@admin.register(models.NetboxSource)
class NetboxSourceAdmin(ModelAdmin):
    list_display = ("name", "url", "token_env", "ca_file")
    search_fields = ("name", "url")


@admin.register(models.NetboxImport)
class NetboxImportAdmin(ModelAdmin):
    """For looking: an import is asked for and agreed to on its page or by the command."""

    list_display = ("asked_at", "url", "state", "asked_by", "changes", "wrong", "applied_at", "apply_asked_by")
    list_filter = ("source",)
    list_select_related = ("source",)
    exclude = ("preview",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.NetboxImport]:
        return super().get_queryset(request).defer("preview")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.NetboxImport | None = None) -> bool:
        return False
