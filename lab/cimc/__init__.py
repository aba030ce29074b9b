"""A server that speaks Cisco IMC's XML API: the real imcsdk logs in, asks, and writes settings of vNICs."""

from lab.cimc.server import Cimc

__all__ = ["Cimc"]
