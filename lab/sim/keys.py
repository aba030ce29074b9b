"""Keys of a simulated fleet: one host key per router and the login key, all derived from one seed in its folder."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_PREFIX = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"


@dataclass(frozen=True)
class Keys:
    """Every router has a host key of its own, also in a fleet of 10,000: deriving one takes 0.035 ms.

    The same folder gives the same keys again, so that an inventory that was loaded once stays true.
    """

    seed: bytes
    login_path: Path
    password: str

    def _raw(self, name: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.seed + name.encode()).digest())

    def public_line(self, name: str) -> str:
        """`ssh-ed25519 AAAA...` of a router (or of "login")."""
        blob = _PREFIX + self._raw(name).public_key().public_bytes_raw()
        return f"ssh-ed25519 {base64.b64encode(blob).decode()}"

    def private(self, name: str) -> asyncssh.SSHKey:
        """The key for the SSH server; 0.1 ms, so it is made when somebody first connects."""
        return asyncssh.import_private_key(self._pem(name))

    def _pem(self, name: str) -> bytes:
        return self._raw(name).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def keys_in(folder: Path) -> Keys:
    """The keys of a fleet's folder, made at first use: folder/key/{seed,id_ed25519,id_ed25519.pub,password}."""
    where = folder / "key"
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (where / "seed").exists():
        _secret(where / "seed", secrets.token_hex(32))
    seed = bytes.fromhex((where / "seed").read_text().strip())
    keys = Keys(seed, where / "id_ed25519", hashlib.sha256(seed + b"password").hexdigest()[:24])
    if not keys.login_path.exists():
        _secret(keys.login_path, keys._pem("/login").decode())
        (where / "id_ed25519.pub").write_text(keys.public_line("/login") + " slipway-sim\n")
        _secret(where / "password", keys.password + "\n")
    return keys


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
