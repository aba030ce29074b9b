"""Public SSH host keys as text: read, compared and shown by fingerprint. Pure."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from fleet.core.model import Reason

# What OpenSSH 9 presents as a host key; certificates and security keys are not host keys of a router.
ALGORITHMS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
WANTED = '"ALGORITHM BASE64", as in the .pub file of the device'
REMEDY = "Take the line from /etc/ssh/ssh_host_ed25519_key.pub on the device itself (not over an unchecked connection)."


@dataclass(frozen=True)
class PublicKey:
    """One public host key: algorithm and base64 blob (RFC 4253 §6.6), without the comment."""

    algorithm: str
    blob: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.blob}"


def fingerprint(blob: str) -> str:
    """`SHA256:...` of a base64 blob, as ssh-keygen -l prints it (no padding)."""
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def parse(text: str) -> PublicKey | Reason:
    """The public key in `text` (a comment after it is dropped), or why it is none.

    The blob must name the same algorithm inside (its first length-prefixed string): a cut or mixed-up line is refused.
    """
    if "PRIVATE KEY" in text:
        # Nothing of the value is repeated: it may be a secret.
        return Reason("host key", "a private key", WANTED, "Remove it from the file and replace that key. " + REMEDY)
    parts = text.split()
    if len(parts) < 2:
        return Reason("host key", f"{len(parts)} word(s)", WANTED, REMEDY)
    algorithm, blob = parts[0], parts[1]
    if algorithm not in ALGORITHMS:
        return Reason("host key", f"algorithm {algorithm[:40]!r}", f"one of {', '.join(ALGORITHMS)}", REMEDY)
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return Reason("host key", f"text that is not base64 after {algorithm}", WANTED, REMEDY)
    inside = _first_string(raw)
    if inside != algorithm.encode("ascii"):
        return Reason("host key", f"{algorithm} before a blob of another or no algorithm (cut short?)", WANTED, REMEDY)
    if algorithm == "ssh-ed25519" and len(raw) != 51:  # 4 + 11 + 4 + 32 bytes (RFC 8709 §4)
        return Reason("host key", f"an ed25519 blob of {len(raw)} bytes", "51 bytes", REMEDY)
    return PublicKey(algorithm, base64.b64encode(raw).decode("ascii"))


def _first_string(raw: bytes) -> bytes | None:
    if len(raw) < 4:
        return None
    (length,) = struct.unpack(">I", raw[:4])
    return raw[4 : 4 + length] if len(raw) >= 4 + length else None
