"""Which Slipway, and with what token: from the environment, else from ~/.config/slipway/client.toml.

The token is never an argument: arguments can be read by everybody on the machine.
"""

import os
import stat
import tomllib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from slipway_client.ends import Ended, Exit


@dataclass(frozen=True)
class Where:
    """`ca`: a file with certificates instead of those of the system; empty: those."""

    url: str
    token: str
    ca: str = ""

    def __repr__(self) -> str:
        return f"Where({self.url!r})"  # a token belongs into no traceback


def find() -> Where:
    """What the environment and the file say. Raises Ended with everything that is missing."""
    kept = _kept()
    url = (os.environ.get("SLIPWAY_URL") or kept.get("url", "")).rstrip("/")
    ca = os.environ.get("SLIPWAY_CA_FILE") or kept.get("ca_file", "")
    token = os.environ.get("SLIPWAY_TOKEN", "")
    if not token and (path := os.environ.get("SLIPWAY_TOKEN_FILE") or kept.get("token_file", "")):
        token = _secret(Path(path).expanduser())
    wrong = []
    if not url:
        wrong.append("address: found none, wanted SLIPWAY_URL=https://slipway.example.net.")
    elif said := _unsafe(url):
        wrong.append(said)
    if not token:
        wrong.append("token: found none, wanted SLIPWAY_TOKEN_FILE or SLIPWAY_TOKEN. Make one at /tokens/.")
    elif not token.isascii() or not token.isprintable() or " " in token:
        wrong.append("token: found letters that no token has, wanted one line as it was shown.")
    if ca and not Path(ca).expanduser().is_file():
        wrong.append(f"certificates: found no file {ca}, wanted one (SLIPWAY_CA_FILE).")
    if wrong:
        raise Ended(Exit.USAGE, wrong)
    return Where(url, token, str(Path(ca).expanduser()) if ca else "")


def _unsafe(url: str) -> str:
    """Why nothing is sent there; empty: it may be."""
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return f"address: found {url!r}, wanted https://HOST."
    if parts.username is not None or parts.password is not None:
        return "address: found a name or password in it, wanted https://HOST. The token says who you are."
    if parts.scheme not in {"https", "http"} or not host or parts.query or parts.fragment:
        return f"address: found {url!r}, wanted https://HOST."
    if parts.scheme == "http" and not _here(host):
        return f"address: found http:// to {host}, wanted https://. A token is not sent where others read it."
    return ""


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kept() -> dict[str, str]:
    """The file, if there is one."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(base).expanduser() / "slipway" / "client.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Ended(Exit.USAGE, [f"{path}: found {error}, wanted TOML with url and token_file."]) from error
    known = {"url", "token_file", "ca_file"}
    if unknown := sorted(set(found) - known):
        wanted = ", ".join(sorted(known))
        raise Ended(Exit.USAGE, [f"{path}: found {', '.join(unknown)[:100]}, wanted only {wanted}."])
    return {name: str(value) for name, value in found.items()}


def _secret(path: Path) -> str:
    """The token in a file that nobody else can read."""
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Ended(Exit.USAGE, [f"{path}: found mode {mode & 0o777:04o}, wanted 0600: a token is yours alone."])
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "no text"
        raise Ended(Exit.USAGE, [f"{path}: found {said}, wanted a file with a token."]) from error
