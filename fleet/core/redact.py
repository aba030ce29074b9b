"""Takes secrets out of values before they are logged or handed out. The last door: rows should hold none (rule 12)."""

import re
from collections.abc import Mapping

from fleet.core.model import Json

LEFT_OUT = "[left-out]"  # one word, so that what was redacted is redacted to the same again

_NAMES = re.compile(
    r"(?:^|[_.\s-])(?:password|passwd|passphrase|secret|secret_key|token|psk|authorization|cookie|private_key|api_key|"
    r"snmp_community|md5_key|auth_key)$",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
# Each: what stays, then the secret. Configurations of FRR, BIRD and others, command lines, addresses, headers.
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\bneighbor\s+\S+\s+password\s+)(\S+)",
        r"(\bpassword\s+)(\"[^\"\n]*\")",
        r"(\b(?:authentication-key|message-digest-key\s+\d+\s+md5|key-string|md5-key|auth-key)\s+)(\S+)",
        r"(\b(?:enable|username\s+\S+)\s+(?:password|secret)\s+(?:\d\s+)?)(\S+)",
        r"(\b(?:snmp-server\s+community|rocommunity6?|rwcommunity6?)\s+)(\S+)",
        r"(\b\w*(?:password|passwd|passphrase|secret|token|api[_-]?key|psk)[\"']?\s*[=:]\s*[\"']?)([^\s\"',;&]+)",
        r"(://[^/\s:@]*:)([^@\s/]+)(?=@)",
        r"(\b(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]{8,})",
        r"(\bwhsec_)([A-Za-z0-9+/=]+)",
        r"(\bhooks\.slack\.com/services/)(\S+)",
    )
)


# Each secret has one of these before it; most texts have none, and are let through by one look.
_HINT = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|-key|key-|api.?key|psk|community|md5|://|bearer|basic|whsec_|hooks\.slack|PRIVATE",
    re.IGNORECASE,
)


def text(said: str) -> str:
    """The text without the secrets that can be told by how they stand in it."""
    if _HINT.search(said) is None:
        return said
    if "PRIVATE KEY" in said:
        said = _PEM.sub(LEFT_OUT, said)
    for pattern in _SECRETS:
        said = pattern.sub(lambda match: match[1] + LEFT_OUT, said)
    return said


def value(said: Json) -> Json:
    """The value without secrets: text by how it reads, members of mappings also by their name."""
    match said:
        case str():
            return text(said)
        case Mapping():
            return {k: LEFT_OUT if v and _is_secret(k, v) else value(v) for k, v in said.items()}
        case list() | tuple():
            return [value(v) for v in said]
        case _:
            return said


def _is_secret(name: object, held: Json) -> bool:
    """A name that says so, with a text in it: "tokens: 3" is a count."""
    return isinstance(held, str) and bool(_NAMES.search(str(name)))
