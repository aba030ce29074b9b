"""Django settings: embedded by default (SQLite, in-process dispatch), production by environment variables.

The variables are listed in docs/settings.md, which a test compares with this file.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlparse

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


SECRET_KEY = _secret_key()
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
    "inventory",
    "fleet.people",
    "fleet.changes",
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
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "fleet.people.rights.GrantBackend"]
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
EMAIL_HOST = os.environ.get("SLIPWAY_MAIL_HOST", "")
DEFAULT_FROM_EMAIL = os.environ.get("SLIPWAY_MAIL_FROM", "slipway@localhost")
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True

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
SLIPWAY_TICK_SECONDS = float(os.environ.get("SLIPWAY_TICK_SECONDS", "2"))
# A directory with the user's own rows, advisories and withdrawals (docs/compat.md), beside those that are shipped.
SLIPWAY_COMPAT_DIR = os.environ.get("SLIPWAY_COMPAT_DIR", "")
SLIPWAY_REDIS_URL = os.environ.get("SLIPWAY_REDIS_URL", "redis://127.0.0.1:6379/0")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("SLIPWAY_LOG_LEVEL", "WARNING")},
}
