"""Django settings: embedded by default (SQLite, in-process dispatch), production by environment variables.

The variables are listed in docs/settings.md, which a test compares with this file.
"""

import os
import secrets
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import unquote, urlparse

from fleet import logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("SLIPWAY_VAR", BASE_DIR / "var"))
(VAR_DIR / "static").mkdir(parents=True, exist_ok=True)  # WhiteNoise warns at each start where it is missing


def _secret_key() -> str:
    """SLIPWAY_SECRET_KEY, else a key made once and kept in var/secret_key (mode 0600), so that sessions survive."""
    if key := os.environ.get("SLIPWAY_SECRET_KEY"):
        return key
    path = VAR_DIR / "secret_key"
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def _database(url: str) -> dict[str, object]:
    """Django's form of `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`."""
    parts = urlparse(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path,
            # IMMEDIATE + WAL: 0 "database is locked" in 1,500 claims of 4 processes, against 346 with the defaults.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
            },
        }
    if parts.scheme == "postgresql":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.lstrip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
        }
    raise SystemExit(
        f"SLIPWAY_DATABASE_URL: found scheme {parts.scheme!r}, wanted sqlite:///PATH or postgresql://USER@HOST/NAME."
    )


def _pairs(variable: str, text: str) -> dict[str, str]:
    """`theirs=ours,other=ours`, as a table."""
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    if wrong := [theirs for theirs, equals, ours in pairs if not (theirs.strip() and equals and ours.strip())]:
        raise SystemExit(f"{variable}: found {wrong[0]!r}, wanted THEIRS=OURS,THEIRS=OURS.")
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def _networks(variable: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """`10.20.0.0/16,fd00:20::/48`, as networks."""
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise SystemExit(f"{variable}: found {error}, wanted NETWORK/BITS,NETWORK/BITS.") from None


SECRET_KEY = _secret_key()
# Former keys: what they signed and sealed stays good until ./manage.py rotate_keys has run and sessions have ended.
SECRET_KEY_FALLBACKS = [k for k in os.environ.get("SLIPWAY_SECRET_KEY_FALLBACKS", "").split(",") if k]
DEBUG = os.environ.get("SLIPWAY_DEBUG", "0") == "1"
ALLOWED_HOSTS = os.environ.get("SLIPWAY_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver").split(",")
DATABASES = {"default": _database(os.environ.get("SLIPWAY_DATABASE_URL", f"sqlite://{VAR_DIR / 'slipway.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "inventory",
    "fleet.people",
    "fleet.api",
    "fleet.changes",
    "fleet.outward",
    "fleet.netboot",
    "fleet.notices",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "fleet.security_headers.security_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",  # the last: its answer to whoever is locked out stands
]
ROOT_URLCONF = "fleet.urls"
ASGI_APPLICATION = "fleet.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- people --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # the first: whoever is locked out is not even asked
    "django.contrib.auth.backends.ModelBackend",
    "fleet.people.rights.GrantBackend",
]
# Five wrong passwords for one name from one address close that door for a quarter of an hour: 480 guesses a day.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "locked.html"
AXES_VERBOSE = False
ACCOUNT_RATE_LIMITS = {"login_failed": "1000/m/ip"}  # axes counts those, in the database, over all web processes
ACCOUNT_ADAPTER = "fleet.people.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "fleet.people.adapters.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False  # an address says nothing about who somebody is; accounts are never joined by it
ACCOUNT_SESSION_REMEMBER = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Slipway"
MFA_ADAPTER = "fleet.people.adapters.SecondFactorAdapter"
# Single sign-on by OpenID Connect: off unless the address of the identity provider is set.
SLIPWAY_OIDC_URL = os.environ.get("SLIPWAY_OIDC_URL", "")
SLIPWAY_OIDC_GROUPS_CLAIM = os.environ.get("SLIPWAY_OIDC_GROUPS_CLAIM", "groups")
SLIPWAY_OIDC_GROUPS = _pairs("SLIPWAY_OIDC_GROUPS", os.environ.get("SLIPWAY_OIDC_GROUPS", ""))
_SSO = {
    "provider_id": "sso",
    "name": os.environ.get("SLIPWAY_OIDC_NAME", "single sign-on"),
    "client_id": os.environ.get("SLIPWAY_OIDC_CLIENT", ""),
    "secret": os.environ.get("SLIPWAY_OIDC_SECRET", ""),
    "settings": {"server_url": SLIPWAY_OIDC_URL, "oauth_pkce_enabled": True},
}
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"SCOPE": ["openid", "profile", "email"], "APPS": [_SSO] if SLIPWAY_OIDC_URL else []}
}
EMAIL_HOST = os.environ.get("SLIPWAY_MAIL_HOST", "")
DEFAULT_FROM_EMAIL = os.environ.get("SLIPWAY_MAIL_FROM", "slipway@localhost")

# The address under which people reach the pages, for links in messages and feeds: https://slipway.example.net
SLIPWAY_URL = os.environ.get("SLIPWAY_URL", "").rstrip("/")
# Who announces maintenance to customers (X-MAINTNOTE-PROVIDER), such as example.net; empty: customers are told nothing.
SLIPWAY_PROVIDER = os.environ.get("SLIPWAY_PROVIDER", "")

# --- how the pages are reached --------------------------------------------------------------------------------------
# 1: only by HTTPS; cookies are sent over nothing else, and browsers remember it for a year.
_HTTPS = os.environ.get("SLIPWAY_HTTPS", "0") == "1"
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^boot/"]  # asked by what runs the containers, beside the proxy
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Strict would lose the session on the way back from sign-on
SESSION_COOKIE_AGE = int(float(os.environ.get("SLIPWAY_SESSION_HOURS", "12")) * 3600)
SECURE_REFERRER_POLICY = "same-origin"
# The header by which a proxy tells that it was asked by HTTPS. Only where that proxy sets or removes it always.
if _PROXY_HEADER := os.environ.get("SLIPWAY_PROXY_HEADER", ""):
    SECURE_PROXY_SSL_HEADER = ("HTTP_" + _PROXY_HEADER.upper().replace("-", "_"), "https")
# Addresses under which forms may come in when the proxy changes the host name: https://slipway.example.net
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("SLIPWAY_ORIGINS", "").split(",") if o]

# --- the engine ---------------------------------------------------------------------------------------------------
# inline: the tick and the shards run in this process; celery: the same functions are called by Celery tasks.
SLIPWAY_DISPATCH = os.environ.get("SLIPWAY_DISPATCH", "inline")
if SLIPWAY_DISPATCH not in {"inline", "celery"}:
    raise SystemExit(f"SLIPWAY_DISPATCH: found {SLIPWAY_DISPATCH!r}, wanted inline or celery.")
# Devices that one shard (one Celery task, one nornir run) works on at once, each in a thread. Threads wait on the
# network; on 2 cores more than this only adds switching.
SLIPWAY_SHARD_SIZE = int(os.environ.get("SLIPWAY_SHARD_SIZE", "25"))
# How long a claim on a step holds without its worker being heard of. Longer than any single command may take (the
# transport's deadline, 60 s), so that a live worker is never overtaken.
SLIPWAY_LEASE_SECONDS = float(os.environ.get("SLIPWAY_LEASE_SECONDS", "90"))
# A dispatched target that no worker has begun is dispatched again after this: what a lost message costs.
SLIPWAY_REKICK_SECONDS = float(os.environ.get("SLIPWAY_REKICK_SECONDS", "10"))
# With no tick for so long, a run that was under way holds: was the database restored from a backup, devices are further
# than its rows say. 0: never.
SLIPWAY_AWAY_SECONDS = float(os.environ.get("SLIPWAY_AWAY_SECONDS", "900"))
SLIPWAY_TICK_SECONDS = float(os.environ.get("SLIPWAY_TICK_SECONDS", "2"))
# How often the facts of the whole fleet are collected; 0: only when somebody asks.
SLIPWAY_COLLECT_SECONDS = float(os.environ.get("SLIPWAY_COLLECT_SECONDS", "3600"))
# How long every look is kept; of older ones those that saw the same as the one before and the one after are forgotten.
SLIPWAY_OBSERVATION_DAYS = float(os.environ.get("SLIPWAY_OBSERVATION_DAYS", "7"))
# A directory with the user's own rows, advisories and withdrawals (docs/compat.md), beside those that are shipped.
SLIPWAY_COMPAT_DIR = os.environ.get("SLIPWAY_COMPAT_DIR", "")
SLIPWAY_NETBOOT_DIR = os.environ.get("SLIPWAY_NETBOOT_DIR", "")
SLIPWAY_REDIS_URL = os.environ.get("SLIPWAY_REDIS_URL", "redis://127.0.0.1:6379/0")
# Internal networks that webhooks and ticket systems may be in; everything else that is no address of the Internet is
# refused, so that who may add an address cannot reach what only Slipway can.
SLIPWAY_OUTWARD_NETWORKS = _networks("SLIPWAY_OUTWARD_NETWORKS", os.environ.get("SLIPWAY_OUTWARD_NETWORKS", ""))

# --- the API --------------------------------------------------------------------------------------------------------
# Requests that one token may send in a minute. A page of 500 rows each: the whole of 10,000 devices in 20.
SLIPWAY_API_PER_MINUTE = int(os.environ.get("SLIPWAY_API_PER_MINUTE", "600"))
_MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
_REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": SLIPWAY_REDIS_URL,
    "OPTIONS": {"pool_class": "fleet.redis_pool.Shared"},
}
# Requests are counted over all web processes where there is Redis, else in each. Nothing else is kept there.
CACHES = {
    "default": {**_MEMORY, "LOCATION": "pages"},
    "api": _REDIS if SLIPWAY_DISPATCH == "celery" else {**_MEMORY, "LOCATION": "api"},
}
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    # Each view says how it is entered (fleet/api/views.py): what it does not say opens nothing.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "fleet.api.problems.Handler",
    "EXCEPTION_FORMATTER_CLASS": "fleet.api.problems.Formatter",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway",
    "DESCRIPTION": "Changes fleets of routers and servers without dropping traffic.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["fleet.api.schema.closed"],
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- metrics and logs ------------------------------------------------------------------------------------------------
# Who may read /metrics: whoever shows this token, or asks from one of these networks. Neither set: nobody.
SLIPWAY_METRICS_TOKEN = os.environ.get("SLIPWAY_METRICS_TOKEN", "")
SLIPWAY_METRICS_NETWORKS = _networks("SLIPWAY_METRICS_NETWORKS", os.environ.get("SLIPWAY_METRICS_NETWORKS", ""))
LOGGING = logs.configured(os.environ.get("SLIPWAY_LOG_LEVEL", "WARNING"), os.environ.get("SLIPWAY_LOG_FORMAT", "plain"))
