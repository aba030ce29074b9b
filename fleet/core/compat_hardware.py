"""Which family and model a network adapter is, from its PCI ids, and what its driver's own words say."""

from collections.abc import Mapping
from dataclasses import dataclass

# The drivers of one vendor's tree and the kernel's carry the same name here: who wrote a version says which one it is.
TWO_FLAVOURS = frozenset({"i40e", "iavf", "ice", "ixgbe", "ixgbevf", "igb", "igc", "e1000e"})


@dataclass(frozen=True)
class Hardware:
    """An adapter: the family is the name of its driver in the kernel, the model what is printed on the card."""

    family: str
    model: str = ""


def _ids(family: str, model: str, ids: str) -> dict[str, Hardware]:
    return {device: Hardware(family, model) for device in ids.split()}


# Device ids by vendor, from the drivers' own tables of ids (i40e_devids.h, ice_devids.h, ixgbe_type.h and so on).
_INTEL = {
    **_ids("i40e", "X710", "1572 1574 1580 1581 1585 1586 1589 104e 104f 104d 0dd2 15ff 0dda"),
    **_ids("i40e", "XL710", "1583 1584 1587 1588"),
    **_ids("i40e", "XXV710", "158a 158b 0d58"),
    **_ids("i40e", "X722", "37ce 37cf 37d0 37d1 37d2 37d3 0dd1 374c"),
    **_ids("iavf", "", "154c 1571 1889 37cd 37d9"),
    **_ids("ice", "E810", "1591 1592 1593 1599 159a 159b"),
    **_ids("ice", "E822", "1890 1891 1892 1893 1894 1897 1898 1899 189a"),
    **_ids("ice", "E823", "124c 124d 124e 124f 151d 188a 188b 188c 188d 188e"),
    **_ids("ice", "E830", "12d1 12d2 12d3 12d4 12d5 12d6 12d8 12d9"),
    **_ids("ixgbe", "82598", "10b6 10c6 10c7 10c8 10db 10dd 10e1 10ec 10f1 10f4 150b"),
    **_ids("ixgbe", "82599", "10f7 10f8 10f9 10fb 10fc 1507 1514 1517 151c 1529 152a 154a 154d 1557 1558 154f"),
    **_ids("ixgbe", "X540", "1528 1560"),
    **_ids("ixgbe", "X550", "1563 15d1 15aa 15ab 15ac 15ad 15ae 15b0"),
    **_ids("ixgbe", "X553", "15c2 15c3 15c4 15c6 15c7 15c8 15ca 15cc 15ce 15e4 15e5"),
    **_ids("ixgbe", "E610", "57ae 57af 57b0 57b1 57b2"),
    **_ids("igb", "82576", "10c9 10e6 10e7 10e8 1518 1526 150a 150d"),
    **_ids("igb", "82580", "150e 150f 1510 1511 1516 1527"),
    **_ids("igb", "i350", "1521 1522 1523 1524"),
    **_ids("igb", "i354", "1f40 1f41 1f45"),
    **_ids("igb", "i210", "1533 1534 1535 1536 1537 1538 157b 157c"),
    **_ids("igb", "i211", "1539"),
    **_ids("igc", "i225", "15f2 15f3 0d9f 3100 3101"),
    **_ids("igc", "i226", "125b 125c 125d"),
}
_MELLANOX = {
    **_ids("mlx4", "ConnectX-3", "1003 1004 1007"),
    **_ids("mlx5", "ConnectX-4", "1013 1014"),
    **_ids("mlx5", "ConnectX-4 Lx", "1015 1016"),
    **_ids("mlx5", "ConnectX-5", "1017 1018 1019 101a"),
    **_ids("mlx5", "ConnectX-6", "101b 101c"),
    **_ids("mlx5", "ConnectX-6 Dx", "101d 101e"),
    **_ids("mlx5", "ConnectX-6 Lx", "101f"),
    **_ids("mlx5", "ConnectX-7", "1021"),
}
_CISCO = _ids("enic", "VIC", "0043 0044 0071")
_BROADCOM = _ids("bnxt", "", "16c9 16d6 16d7 16d8 16d9 16de 16df 16e2 16e3 1750 1751 1752 16f0 16f1 1614")
_IDS: Mapping[str, Mapping[str, Hardware]] = {
    "8086": _INTEL,
    "15b3": _MELLANOX,
    "1137": _CISCO,
    "14e4": _BROADCOM,
    "1af4": _ids("virtio_net", "", "1000 1041"),
}
# How the kernel calls drivers whose family has another name.
_DRIVER_NAMES = {"mlx5_core": "mlx5", "mlx4_en": "mlx4", "mlx4_core": "mlx4", "bnxt_en": "bnxt"}


def hardware(vendor: str, device: str, driver: str = "") -> Hardware:
    """The adapter of these PCI ids (hex, with or without 0x); unknown ids: the family of its driver, no model."""
    by_id = _IDS.get(_plain(vendor), {}).get(_plain(device))
    return by_id if by_id is not None else Hardware(_DRIVER_NAMES.get(driver, driver))


def _plain(number: str) -> str:
    return number.strip().lower().removeprefix("0x").rjust(4, "0")


def flavour(family: str, version: str, kernel: str) -> str:
    """ "in-tree", "vendor", or "" where it cannot be told, from the version that a driver gives itself.

    In-tree drivers give the release of their kernel (since about 5.10) or end in "-k"; Intel's own give a number of
    their own (source: i40e and ice in both trees).
    """
    if not version:
        return ""
    if version == kernel or version.endswith("-k"):
        return "in-tree"
    return "vendor" if family in TWO_FLAVOURS and kernel else ""
