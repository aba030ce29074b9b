"""Addresses for signing in and out, the second factor, and single sign-on. Signing up is closed."""

from allauth.account import views as account
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from fleet.people import pages

sign_in = account.LoginView.as_view(template_name="login.html")
sign_out = LogoutView.as_view()
# Names that the library leads to; here accounts, addresses and forgotten passwords are an administrator's business.
closed = RedirectView.as_view(pattern_name="login")

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", sign_in, name="login"),
    path("login/", sign_in, name="account_login"),
    path("logout/", sign_out, name="logout"),
    path("logout/", sign_out, name="account_logout"),
    path("accounts/", pages.account, name="account"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/password/", account.password_change, name="account_change_password"),
    path("accounts/signup/", closed, name="account_signup"),
    path("accounts/email/", closed, name="account_email"),
    path("accounts/password/set/", closed, name="account_set_password"),
    path("accounts/second-factor/", include("allauth.mfa.urls")),
    path("accounts/sso/", include("allauth.socialaccount.urls")),
    path("accounts/", include("allauth.socialaccount.providers.openid_connect.urls")),
]
