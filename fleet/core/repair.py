"""From drift to the requests that would repair it, and why what no recipe can repair is left."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.core import repair_nic, repair_software, repair_vpp
from fleet.core.intent_settings import split
from fleet.core.model import Json, Reason
from fleet.core.repair_nic import patterns
from fleet.core.repair_values import Card, Drifted, Means, Offered, Repair, Repairs, cannot

__all__ = ["Card", "Drifted", "Means", "Offered", "Repair", "Repairs", "patterns", "repairs"]

_SYSCTL, _CMDLINE = "kernel.sysctl.", "kernel.cmdline."


@dataclass
class _Sorted:
    """What drifted, by the recipe that repairs it."""

    nic: list[Drifted] = field(default_factory=list)
    sysctl: dict[str, list[Drifted]] = field(default_factory=lambda: defaultdict(list))
    cmdline: dict[str, list[Drifted]] = field(default_factory=lambda: defaultdict(list))
    kernel: list[Drifted] = field(default_factory=list)
    driver: list[Drifted] = field(default_factory=list)
    firmware: list[Drifted] = field(default_factory=list)
    suite: list[Drifted] = field(default_factory=list)
    vpp: list[Drifted] = field(default_factory=list)
    left: list[Reason] = field(default_factory=list)


def repairs(drifted: Iterable[Drifted], means: Means | None = None) -> Repairs:
    """As few requests as the recipes allow: devices that need the same are targets of one. Order does not matter.

    `means`: what software the inventory has; without it what needs some is left with its reason.
    """
    means, found = means or Means(), _Sorted()
    for one in sorted(drifted, key=lambda d: (d.device, d.setting)):
        _put(found, one)
    vpps, no_vpp = repair_vpp.requests(found.vpp, found.cmdline, _words, means)
    with_vpp = {name for request in vpps if request.recipe == "vpp" for name in request.targets}
    cmdlines = {device: rows for device, rows in found.cmdline.items() if device not in with_vpp}
    kernels, no_kernel = repair_software.kernels(found.kernel, cmdlines, _words, means)
    booted = {name for request in kernels for name in request.targets} | with_vpp
    cmdlines = {device: rows for device, rows in found.cmdline.items() if device not in booted}
    drivers, no_driver = repair_software.drivers(found.driver, means)
    firmware, no_firmware = repair_software.firmware(found.firmware, means)
    suites, no_suite = repair_software.suites(found.suite, means)
    settings = (*repair_nic.requests(found.nic), *_sysctls(found.sysctl), *_cmdlines(cmdlines))
    left = (*found.left, *no_kernel, *no_driver, *no_firmware, *no_suite, *no_vpp)
    ordered = tuple(sorted(left, key=lambda reason: reason.subject))
    return Repairs((*settings, *kernels, *drivers, *firmware, *suites, *vpps), ordered)


def _put(found: _Sorted, one: Drifted) -> None:
    path, _ = split(one.setting)
    if path.startswith("nic.") and repair_nic.input_of(one) is not None:
        found.nic.append(one)
    elif path.startswith(_SYSCTL) and isinstance(one.wanted, str | int) and "\n" not in str(one.wanted):
        found.sysctl[one.device].append(one)
    elif path.startswith(_CMDLINE) and isinstance(one.wanted, str | bool) and not _is_spaced(one.wanted):
        found.cmdline[one.device].append(one)
    elif path == "kernel.version":
        found.kernel.append(one)
    elif path.startswith("driver.") and path.endswith((".flavour", ".version")):
        found.driver.append(one)
    elif path.startswith("firmware."):
        found.firmware.append(one)
    elif path == "routing.suite_version":
        found.suite.append(one)
    elif path in {repair_vpp.KIND, repair_vpp.CONFIG}:
        found.vpp.append(one)
    else:
        remedy = f"No recipe repairs {path} as it is wanted here: put it right by hand, or change the profile."
        found.left.append(cannot(one, remedy))


def _sysctls(by_device: Mapping[str, Sequence[Drifted]]) -> list[Repair]:
    made: dict[str, list[Drifted]] = defaultdict(list)
    for rows in by_device.values():
        lines = sorted(f"{row.setting.removeprefix(_SYSCTL)} = {row.wanted}" for row in rows)
        made["\n".join(lines)] += rows
    return [Repair("sysctl", {"settings": text}, _devices(rows), tuple(rows)) for text, rows in sorted(made.items())]


def _is_spaced(wanted: Json) -> bool:
    """No word of a command line: it would be read as several."""
    return isinstance(wanted, str) and wanted.split() != [wanted]


def _cmdlines(by_device: Mapping[str, Sequence[Drifted]]) -> list[Repair]:
    """One boot for all parameters of a device; devices that want the same are targets of one request."""
    made: dict[str, list[Drifted]] = defaultdict(list)
    for rows in by_device.values():
        made[_words(rows)] += rows
    return [
        Repair("kernel-cmdline", {"cmdline": text}, _devices(rows), tuple(rows)) for text, rows in sorted(made.items())
    ]


def _words(rows: Sequence[Drifted]) -> str:
    return " ".join(sorted(_word(row.setting.removeprefix(_CMDLINE), row.wanted) for row in rows))


def _word(name: str, wanted: Json) -> str:
    """As the recipe reads it: NAME=VALUE, NAME, or -NAME for none."""
    return f"{name}={wanted}" if isinstance(wanted, str) else name if wanted else f"-{name}"


def _devices(rows: Iterable[Drifted]) -> tuple[str, ...]:
    return tuple(sorted({row.device for row in rows}))
