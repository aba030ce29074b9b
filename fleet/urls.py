"""All addresses of the web UI."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

# The admin has no door of its own: second factor and single sign-on hold for it as well.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", include("fleet.people.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("fleet.api.urls")),
    path("tokens/", include("fleet.api.pages")),
    path("inventory/", include("inventory.urls")),
    path("", include("fleet.metrics.urls")),
    path("", include("fleet.notices.urls")),
    path("", include("fleet.outward.urls")),
    path("", include("fleet.netboot.views")),
    path("", include("fleet.changes.urls")),
]
