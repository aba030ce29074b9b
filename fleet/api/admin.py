"""Service accounts in Django's admin; tokens only to be looked at and removed."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from fleet.api.models import ApiToken, ServiceAccount

if TYPE_CHECKING:
    AccountModelAdmin = admin.ModelAdmin[ServiceAccount]
    TokenModelAdmin = admin.ModelAdmin[ApiToken]
else:
    AccountModelAdmin = TokenModelAdmin = admin.ModelAdmin  # not generic at run time


@admin.register(ServiceAccount)
class ServiceAccountAdmin(AccountModelAdmin):
    """Which programs have an account, who answers for it, what its changes must meet."""

    list_display = ("user", "owner", "purpose", "may_approve", "policy")
    list_select_related = ("user", "owner", "policy")


@admin.register(ApiToken)
class ApiTokenAdmin(TokenModelAdmin):
    """Whose tokens there are and when they were used. A token is made where its text is shown once: at /tokens/."""

    list_display = ("prefix", "name", "person", "scopes", "expires_at", "revoked_at", "last_used_at", "last_used_from")
    list_select_related = ("person",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
