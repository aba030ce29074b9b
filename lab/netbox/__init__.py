"""A server of our own that answers as NetBox 4 does: what the importer is tested and measured against."""

from lab.netbox.behaviours import Behaviours
from lab.netbox.data import Tables, fleet
from lab.netbox.server import NetBoxServer

__all__ = ["Behaviours", "NetBoxServer", "Tables", "fleet"]
