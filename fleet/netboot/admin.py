"""Boot targets, hosts and networks in the admin. A token is made by `./manage.py netboot`."""

from django.contrib import admin

from fleet.netboot.models import BootHost, BootNetwork, BootTarget


@admin.register(BootTarget)
class BootTargetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("name", "release", "kernel", "cmdline")


@admin.register(BootHost)
class BootHostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("router", "mac", "default", "once", "trial", "served", "served_at")
    list_select_related = ("router", "default", "once", "trial", "served")
    readonly_fields = ("trial", "served", "served_at")
    autocomplete_fields = ()


@admin.register(BootNetwork)
class BootNetworkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("name",)

    def has_add_permission(self, request: object) -> bool:
        return False  # its token would be shown to nobody
