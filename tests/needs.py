"""What a test may need of the machine, and the one way to do without: a skip that names what is missing.

    need(needs.redis_server())        # in a test or fixture: skips with the reason, or goes on when there is none

Each function returns None when the machine has it, else the reason in words that end in what to do. With
REQUIRE_ALL=1 (CI) a skip is a failure; EXEMPT lists the only exceptions.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in {"", "0"}

# Reasons (their beginnings) that stay skips even under REQUIRE_ALL=1: what the machine cannot have, whatever is
# installed on it. Every line needs its why. Empty: everything that exists today runs wherever root on Linux does.
EXEMPT: tuple[str, ...] = ()

_SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/lib/frr", "/usr/lib/bird"])


def program(name: str, package: str) -> str | None:
    """The reason why a program cannot be used, None when it can."""
    return None if which(name) else f"{name}: found none, wanted the program. apt-get install {package}"


def which(name: str) -> str | None:
    """Where a program lies; also looks where only root's PATH points."""
    return shutil.which(name, path=_SBIN)


def root() -> str | None:
    if sys.platform != "linux":
        return f"platform: found {sys.platform}, wanted linux (network namespaces). Run it on Linux"
    return None if os.geteuid() == 0 else f"user: found uid {os.geteuid()}, wanted root. Run it as root"


def redis_server() -> str | None:
    return program("redis-server", "redis-server")


def postgresql() -> str | None:
    return None if postgresql_bin() else "postgres: found none, wanted the server. apt-get install postgresql"


def postgresql_bin() -> Path | None:
    """The directory of the newest PostgreSQL server's programs (Debian keeps them off PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    return Path(there).resolve().parent if (there := shutil.which("postgres")) else None


def chromium() -> str | None:
    return program("chromium", "chromium")


def lab() -> str | None:
    """The ring of real routers in namespaces."""
    from lab.netns.requirements import reasons_unavailable

    return " ".join(reasons_unavailable()) or None


def need(reason: str | None) -> None:
    """Go on when there is no reason; otherwise skip the test by that name (a failure under REQUIRE_ALL=1)."""
    if reason:
        pytest.skip(reason)


def exempt(reason: str) -> bool:
    """May this skip stand even where everything is required?"""
    return any(reason.startswith(beginning) for beginning in EXEMPT)


def minutes() -> str | None:
    """For the tests that take minutes each: CI runs them all, a developer asks for them."""
    return None if REQUIRE_ALL else "time: this test takes a minute or more. Run it with REQUIRE_ALL=1, as CI does"
