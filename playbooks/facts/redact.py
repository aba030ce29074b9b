"""Configuration texts without their secrets. Pure."""

import hashlib
import re

REDACTED = "(redacted)"
# Everything after the word goes, to the end of the line: a password may hold blanks and quotes. The words are those of
# FRR, BIRD and keepalived configurations; "authentication message-digest" loses a word that is no secret, which harms
# nobody: the digest of the original tells a change.
_SECRET = re.compile(
    r"(?i)^(.*?(?:\b|-)(?:password|passphrase|secret|md5|auth_pass|authentication|key-string|"
    r"key(?=\s+(?![0-9]+\s*$))|snmp-server community|community(?=\s+\S+\s+(?:ro|rw)\b)))\b(\s*)(\S.*)$"
)


def redacted(text: str) -> str:
    """The text with what follows a secret's keyword on its line replaced by "(redacted)"."""
    return "".join(_line(line) for line in text.splitlines(keepends=True))


def _line(line: str) -> str:
    body = line.rstrip("\r\n")
    match = _SECRET.match(body)
    return f"{match[1]} {REDACTED}{line[len(body) :]}" if match else line


def digest(text: str) -> str:
    """SHA-256 (hex) of the text as it was, secrets and all."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
