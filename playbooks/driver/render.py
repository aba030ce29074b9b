"""What a change of driver sends, as argument lists, and the file that it writes. Pure."""

from collections.abc import Mapping, Sequence

from playbooks.driver.params import DriverParams

Commands = list[list[str]]


def conf_path(name: str) -> str:
    return f"/etc/modprobe.d/slipway-{name}.conf"


def conf(params: DriverParams) -> str | None:
    """The file of options and blacklist; None where neither is said, "" where there is to be none."""
    if params.options is None and params.blacklist is None:
        return None
    lines = [f"blacklist {module}" for module in sorted(params.blacklist or ())]
    if params.options:
        lines.append(f"options {params.name} " + " ".join(f"{k}={v}" for k, v in sorted(params.options.items())))
    return "# Written by Slipway.\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def install(params: DriverParams, kernel: str, known: Mapping[str, frozenset[str]]) -> Commands:
    """From what dkms knows (`parse.dkms`) to the wanted driver for this kernel, the initramfs included.

    Another version goes first: the package of a newer one would take it away itself, and dkms then calls it an error.
    """
    made = _others(params.name, params.version, kernel, known)
    if params.package:
        made.append([
            "apt-get", "-y", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--allow-downgrades",
            "install", params.package,
        ])  # fmt: skip
    if params.tarball and params.version not in known:
        made.append(["dkms", "ldtarball", params.tarball])
    # A package has installed it by itself, as a rule; which version, and for which kernel, is said once more.
    there = kernel in known.get(params.version, frozenset()) and not params.package
    return made + _built(params.name, "" if there else params.version, kernel)


def switch(name: str, version: str, kernel: str, known: Mapping[str, frozenset[str]]) -> Commands:
    """Have dkms install exactly this version for this kernel ("": none), and the initramfs follow."""
    there = kernel in known.get(version, frozenset())
    return _others(name, version, kernel, known) + _built(name, "" if there else version, kernel)


def _others(name: str, version: str, kernel: str, known: Mapping[str, frozenset[str]]) -> Commands:
    there = sorted(other for other, kernels in known.items() if kernel in kernels and other != version)
    return [["dkms", "uninstall", f"{name}/{other}", "-k", kernel] for other in there]


def _built(name: str, version: str, kernel: str) -> Commands:
    build = [["dkms", "install", "--force", f"{name}/{version}", "-k", kernel]] if version else []
    return [*build, ["depmod", "-a", kernel], ["update-initramfs", "-u", "-k", kernel]]


def load(name: str) -> Commands:
    return [["modprobe", "-r", name], ["modprobe", name]]


def shown(commands: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(" ".join(argv) for argv in commands)
