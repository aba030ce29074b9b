"""The kinds of rows that an import writes, and how rows are held for comparison."""

from collections.abc import Mapping
from enum import StrEnum

from fleet.core.model import Json


class RowKind(StrEnum):
    """Kinds of rows, in the order in which they can be written."""

    FAILURE_DOMAIN = "failure domain"
    SITE = "site"
    CREDENTIAL = "credential"
    ROUTER = "router"
    HOST_KEY = "host key"
    EXTERNAL = "external"
    LINK = "link"
    KEEP_CONNECTED = "keep connected"
    CONSOLE = "console"
    BEACON = "beacon"
    CARD = "card"
    ARTIFACT = "artifact"
    PROFILE = "profile"
    ASSIGNMENT = "assignment"
    UCS_DOMAIN = "UCS domain"
    ADAPTER_POLICY = "adapter policy"
    SERVICE_PROFILE = "service profile"


ID = "id"  # key of rows that have no name of their own; never compared
Fields = Mapping[str, Json]
Rows = Mapping[RowKind, Mapping[str, Fields]]  # kind -> name -> fields
