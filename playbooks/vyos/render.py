"""What is written onto a VyOS for an image: a trial in the boot menu, its watch, what holds the drain. Pure."""

import re
import shlex

from custom_napalm import vyos
from playbooks.detached import Job
from playbooks.vyos.params import ImageParams

GRUB = "/boot/grub/grub.cfg.d"
# GRUB's main file sources *-autoload.cfg in the order of their names: after the defaults (20), after the menu (40).
TRIAL_FILE = f"{GRUB}/45-slipway-autoload.cfg"
GRUBENV = "/boot/grub/grubenv"
TRIAL, ONCE = "slipway-trial", "slipway_once"
UNITS = "/etc/systemd/system"
WATCH = "slipway-trial.service"
HOLD = "slipway-hold.service"
WANTS = "multi-user.target.wants"
STOPPED = "/run/slipway-trial.confirmed"
_LINUX = re.compile(r"^([ \t]*linux[ \t]+.*?)[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"^menuentry [^\n]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
# What takes traffic off a router, as FRR writes it down: a boot of another image renders a configuration without it.
# Costs and weights also where they drain nothing: they are what they were, and setting them again changes nothing.
_DRAINED = re.compile(
    r"bgp graceful-shutdown|max-metric router-lsa administrative|stub-router administrative|ipv6 ospf6 cost \d+|"
    r"ip ospf cost \d+|set-overload-bit|neighbor [0-9A-Za-z.:_-]{1,64} (shutdown|weight \d+)"
)


def entry_file(image: str) -> str:
    """Where VyOS keeps the menu entry of an image."""
    return f"{GRUB}/vyos-versions/{image}.cfg"


def overlay(root: str, image: str) -> str:
    """Where an image that does not run keeps what is written into it."""
    return f"{root}/boot/{image}/rw"


def menu(entry: str, image: str, *, token: str, panic_s: int) -> str | None:
    """The trial as a menu entry, and the lines that boot it once; None where the image's own entry cannot be read.

    GRUB forgets the variable before it starts the kernel: whatever happens, the next boot is the default.
    """
    found = _ENTRY.search(entry)
    if found is None or _LINUX.search(found[1]) is None:
        return None
    more = f"panic={panic_s} oops=panic softlockup_panic=1 slipway.trial={token}"
    body = _LINUX.sub(lambda line: f"{line[1]} {more}", found[1], count=1)
    return (
        "# Written by Slipway: an image that is tried once.\n"
        f"menuentry 'Slipway trial of {image}' --id {TRIAL} {{\n{body}}}\n"
        f'if [ "${{{ONCE}}}" ]; then\n    set default="${{{ONCE}}}"\n    set {ONCE}=\n    save_env {ONCE}\nfi\n'
    )


def watch(token: str, within_s: float, job: Job) -> str:
    """The unit in the new image that goes back to the old one, which is the default, unless somebody came in."""
    reverted = job.file("reverted")
    act = (
        f"sleep {within_s:.0f}; [ -e {STOPPED} ] && exit 0; mkdir -p /var/lib/slipway; "
        f"cat /proc/sys/kernel/random/boot_id > {reverted}; sync {reverted}; "
        "systemctl --no-block reboot; sleep 90; systemctl -f -f reboot"
    )
    return (
        "# Written by Slipway: an image on trial goes back by itself unless it is confirmed.\n"
        "[Unit]\nDescription=Slipway image trial\nDefaultDependencies=no\n"
        f"ConditionKernelCommandLine=slipway.trial={token}\nAfter=local-fs.target\n\n"
        f"[Service]\nType=exec\nExecStart=/bin/sh -c '{act}'\n"
    )


def hold(running: str) -> str:
    """The unit that drains the router again when an image boots: VyOS renders a configuration that knows no drain.

    It acts in one boot and takes itself away. `running`: `vtysh -c 'show running-config'`; "" where nothing is held.
    """
    commands = drained(running)
    if not commands:
        return ""
    words = " ".join(f"-c {shlex.quote(c)}" for c in ("configure terminal", *commands, "end", "write memory"))
    # vyos-router leaves that file when it has loaded the configuration; for ten minutes it is waited for.
    wait = "for n in $$(seq 600); do [ -e /tmp/vyos-config-status ] && break; sleep 1; done"
    return (
        "# Written by Slipway: a router that was drained before this boot stays drained until it is verified.\n"
        "[Unit]\nDescription=Slipway hold\nAfter=vyos-router.service\n\n"
        f'[Service]\nType=oneshot\nTimeoutStartSec=700\nExecStartPre=/bin/sh -c "{wait}"\n'
        f"ExecStart=/usr/bin/vtysh {words}\nExecStartPost=/bin/rm -f {UNITS}/{WANTS}/{HOLD}\n"
    )


def drained(running: str) -> tuple[str, ...]:
    """The commands that drain it as it is drained now, section by section."""
    commands, section, family = list[str](), "", ""
    opened: tuple[str, str] = ("", "")
    for line in running.splitlines():
        text = line.strip()
        if line[:1] not in {" ", "\t"}:
            section, family = text if text.startswith(("router ", "interface ")) else "", ""
        elif text.startswith("address-family "):
            family = text
        elif text == "exit-address-family":
            family = ""
        elif section and _DRAINED.fullmatch(text):
            if opened != (section, family):
                commands += ["exit"] * (bool(opened[0]) + bool(opened[1]))
                commands += [section, *([family] if family else [])]
                opened = (section, family)
            commands.append(text)
    return (*commands, *(["exit"] * (bool(opened[0]) + bool(opened[1]))))


def iso_file(params: ImageParams) -> str:
    """Where the image lies on the device: where it was given, else where it is downloaded to."""
    return params.source if params.source.startswith("/") else f"/var/lib/slipway/vyos-{params.sha256[:16]}.iso"


def _fetch(source: str, path: str) -> list[str]:
    return [
        "curl",
        "--fail",
        "--silent",
        "--show-error",
        "--location",
        "--proto",
        "=https,http,ftp",
        "-o",
        path,
        source,
    ]


def install(params: ImageParams, job: Job, running: str) -> list[list[str]]:
    """Fetch, check, add, and the running image the default again; each only when the one before was well."""
    file = iso_file(params)
    commands = [_fetch(params.source, file)] if file != params.source else []
    commands.append(["sha256sum", "--check", "--strict", job.file("sum")])
    if params.signature:
        signature = params.signature if params.signature.startswith("/") else f"{file}.minisig"
        commands += [_fetch(params.signature, signature)] if signature != params.signature else []
        commands.append(["minisign", "-V", "-q", "-p", params.key, "-m", file, "-x", signature])
    commands += [vyos.install(file), vyos.set_default(running), ["sync"]]
    return [*commands, ["rm", "-f", file]] if file != params.source else commands


def checksum(params: ImageParams) -> str:
    """The file that `sha256sum --check` reads."""
    return f"{params.sha256}  {iso_file(params)}\n"
