"""Facts of a network operating system by NAPALM's getters, and what a device says that it would change."""

from collections.abc import Mapping
from typing import Any

from napalm.base import NetworkDriver

from fleet.core.model import Json
from playbooks import frr_change, network_os
from playbooks.base import Session
from playbooks.napalm import render

_FORMAT = 1
_GETTERS = ("get_facts", "get_interfaces", "get_interfaces_ip", "get_bgp_neighbors", "get_environment")
_SHOWN = 300


def collect(session: Session) -> Mapping[str, Json]:
    """Facts of a device in the sections that planning and pages read; what a driver lacks is named in `unknown`.

    Raises DeviceError. JSON, free of secrets: configurations are NAPALM's sanitized ones, and redacted again.
    """
    device = session.device
    name = network_os.driver_name(device)
    with network_os.opened(session, name) as driver:
        told, unknown = {}, dict[str, Json]()
        for getter in _GETTERS:
            value = _told(driver, getter)
            if isinstance(value, str):
                unknown[getter] = value
            else:
                told[getter] = value
        config = _configuration(driver, unknown)
    about, interfaces = told.get("get_facts", {}), told.get("get_interfaces", {})
    return {
        "version": _FORMAT, "root": None, "hostname": str(about.get("hostname", "")),
        "os_version": str(about.get("os_version", "")), "model": str(about.get("model", "")),
        "identity": {"serial": str(about.get("serial_number", "")), "product": str(about.get("model", ""))},
        "interfaces": {
            str(i): {"mac": str(row.get("mac_address", "")).lower(), "mtu": row.get("mtu"), "up": row.get("is_up")}
            for i, row in interfaces.items()
        },
        "routing": {"suite": device.suite, "running_config": config},
        "napalm": {"driver": name, **{k.removeprefix("get_"): v for k, v in told.items() if k != "get_environment"}},
        "unknown": unknown,
    }  # fmt: skip


def _told(driver: NetworkDriver, getter: str) -> Any:
    """What a getter returned, JSON-able; a text that says why it told nothing."""
    try:
        return getattr(driver, getter)()
    except NotImplementedError:
        return "not told by this driver"
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:  # drivers parse text of many kinds
        return f"{type(error).__name__}: {error}"[:_SHOWN]


def _configuration(driver: NetworkDriver, unknown: dict[str, Json]) -> str | None:
    try:
        return frr_change.redacted(driver.get_config(retrieve="running", sanitized=True)["running"]) or None
    except (NotImplementedError, ValueError, TypeError, KeyError) as error:
        unknown["running_config"] = f"{type(error).__name__}: {error}"[:_SHOWN]
        return None


def compare(session: Session, *, mode: str, text: str, driver: str | None = None) -> tuple[str, str]:
    """Ask a device what it would change, and change nothing: the key under which facts keep it, and the diff.

    Raises DeviceError; the candidate is discarded whatever happens.
    """
    with network_os.opened(session, network_os.driver_name(session.device, driver)) as made:
        try:
            if mode == "replace":
                made.load_replace_candidate(config=text)
            else:
                made.load_merge_candidate(config=text)
            return render.compare_key(mode, text), frr_change.redacted(made.compare_config() or "")
        finally:
            made.discard_config()
