"""`manage.py check --deploy` has nothing to say about the settings of production, and something without them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SLIPWAY_HTTPS": "1",
    "SLIPWAY_SECRET_KEY": "kX3vR8-only-for-this-test-Zq7wL2mN5pT9sB4yD6fG1hJ0c",
    "SLIPWAY_ALLOWED_HOSTS": "slipway.example.net",
    "SLIPWAY_PROXY_HEADER": "X-Forwarded-Proto",
    "SLIPWAY_ORIGINS": "https://slipway.example.net",
    "SLIPWAY_OIDC_URL": "https://id.example.net/realms/noc",
    "SLIPWAY_OIDC_CLIENT": "slipway",
    "SLIPWAY_OIDC_SECRET": "only-for-this-test",
    "SLIPWAY_OIDC_GROUPS": "noc=operators, core-team=core",
}
ASK = """
import django; django.setup()
from django.conf import settings
from fleet.security_headers import POLICY
assert settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE and settings.SESSION_COOKIE_HTTPONLY
assert settings.SECURE_PROXY_SSL_HEADER == ("HTTP_X_FORWARDED_PROTO", "https")
assert settings.CSRF_TRUSTED_ORIGINS == ["https://slipway.example.net"]
assert settings.SLIPWAY_OIDC_GROUPS == {"noc": "operators", "core-team": "core"}
assert "form-action 'self' https://id.example.net;" in POLICY and "unsafe" not in POLICY
"""


def run(tmp_path: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
    values = {**plain, "DJANGO_SETTINGS_MODULE": "fleet.settings", "SLIPWAY_VAR": str(tmp_path), **environment}
    return subprocess.run([sys.executable, *argv], cwd=ROOT, env=values, capture_output=True, text=True, timeout=120)


CHECK = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
# These processes have settings, and databases, of their own: once is enough.
once = pytest.mark.sqlite


@once
def test_the_settings_of_production_pass(tmp_path: Path) -> None:
    done = run(tmp_path, *CHECK, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    asked = run(tmp_path, "-c", ASK, **PRODUCTION)
    assert asked.returncode == 0, asked.stderr


@once
def test_the_check_can_fail(tmp_path: Path) -> None:
    done = run(tmp_path, *CHECK, **{**PRODUCTION, "SLIPWAY_HTTPS": "0"})
    assert done.returncode == 1
    assert "SESSION_COOKIE_SECURE" in done.stderr


def test_a_mapping_of_groups_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", SLIPWAY_OIDC_GROUPS="noc")
    assert "SLIPWAY_OIDC_GROUPS: found 'noc', wanted THEIRS=OURS" in done.stderr


def test_the_policy_of_the_pages_allows_nothing_inline(client: Client, db: None) -> None:
    policy = client.get("/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy
