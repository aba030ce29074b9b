"""A server that speaks UCS Manager's XML API: the real ucsmsdk logs in, asks, commits, acknowledges and listens."""

from lab.ucsm.build import Blade, build
from lab.ucsm.server import UcsManager

__all__ = ["Blade", "UcsManager", "build"]
