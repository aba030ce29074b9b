"""What is written onto a device and sent to it for a kernel. Pure."""

import re
import shlex
from collections.abc import Mapping, Sequence

from playbooks.detached import Job
from playbooks.kernel import parse
from playbooks.kernel.params import KernelParams
from playbooks.kernel.parse import Entry

TRIAL = "slipway-trial"
CUSTOM = "/boot/grub/custom.cfg"
DEFAULTS = "/etc/default/grub.d/80-slipway.cfg"
UNIT = "/etc/systemd/system/slipway-trial.service"
WANTS = "/etc/systemd/system/sysinit.target.wants/slipway-trial.service"
WATCH = "/etc/initramfs-tools/scripts/init-top/slipway-trial"
STOPPED = "/run/slipway-trial.confirmed"
_BEGIN, _END = "# slipway trial begin\n", "# slipway trial end\n"
_LINUX = re.compile(r"^([ \t]*linux[ \t]+\S+)[ \t]*.*$", re.MULTILINE)
_BLOCK = re.compile(re.escape(_BEGIN) + r".*?" + re.escape(_END), re.DOTALL)

# What would go on broken, or stand still, shall end in a panic: its text is kept, and it ends the trial.
_TRIAL_ARGS = "oops=panic softlockup_panic=1"


def trial_block(entry: Entry, wanted: Mapping[str, str | bool], *, token: str, panic_s: int) -> str:
    """A menu entry like the kernel's own, with the wanted command line and what holds for the trial alone.

    The kernel's own entry stays as it is, and so does that of the old kernel: whatever happens, the next boot is it.
    """
    args = trial_args(entry.args, wanted, token=token, panic_s=panic_s)
    body = _LINUX.sub(lambda found: f"{found[1]} {args}", entry.body, count=1)
    return f"{_BEGIN}menuentry 'Slipway trial of {entry.release}' --id '{TRIAL}' {{\n{body}}}\n{_END}"


def trial_args(args: str, wanted: Mapping[str, str | bool], *, token: str, panic_s: int) -> str:
    """The command line of a trial: an entry's own with what is wanted, and what ends it when it goes wrong."""
    kept = [word for word in parse.changed_line(args, wanted).split() if not word.startswith("panic=")]
    return f"{' '.join(kept)} panic={panic_s} {_TRIAL_ARGS} slipway.trial={token}"


def with_trial(custom: str, block: str) -> str:
    """custom.cfg with this trial and no other; what people wrote stays. Empty block: without."""
    rest = _BLOCK.sub("", custom)
    return rest + ("\n" if rest and not rest.endswith("\n") else "") + block


def unit(token: str, within_s: float, job: Job) -> str:
    """The watch of a trial, once there is a systemd: back to the old kernel unless somebody came in and said so.

    An orderly reboot, and where that hangs one that asks nobody. It runs in the trial alone: the command line says so.
    """
    reverted = job.file("reverted")
    act = (
        f"sleep {within_s:.0f}; [ -e {STOPPED} ] && exit 0; "
        f"{{ uname -r; cat /proc/sys/kernel/random/boot_id; }} > {reverted}; sync {reverted}; "
        "echo slipway: nobody came in, back to the old kernel > /dev/kmsg; "
        "systemctl --no-block reboot; sleep 90; systemctl -f -f reboot"
    )
    early = "[ ! -e /run/slipway-trial.pid ] || kill $(cat /run/slipway-trial.pid)"
    return (
        "# Written by Slipway: a kernel on trial goes back by itself unless it is confirmed.\n"
        "[Unit]\nDescription=Slipway kernel trial\nDefaultDependencies=no\n"
        f"ConditionKernelCommandLine=slipway.trial={token}\n"
        "After=local-fs.target\n\n"
        "[Service]\nType=exec\n"
        f"ExecStartPre=-/bin/sh -c {_systemd(early)}\n"
        f"ExecStart=/bin/sh -c {_systemd(act)}\n\n"
        "[Install]\nWantedBy=sysinit.target\n"
    )


def _systemd(script: str) -> str:
    """A script as one word of a unit file: quotes and the signs that systemd reads itself."""
    text = script.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"'


def watch(within_s: float) -> str:
    """The watch from the initramfs on, until systemd takes over: a machine that never gets as far ends in a panic.

    A panic and not a plain reset: the text of what it did until then is kept by pstore. The way to it is opened
    before /proc moves to the new root. Nothing happens in a boot that is no trial.
    """
    return (
        "#!/bin/sh\n# Written by Slipway: a kernel on trial that hangs before it has an init goes back by itself.\n"
        '[ "$1" = prereqs ] && exit 0\n'
        # Only the shell's own words: klibc, which most initramfs have, knows no grep.
        "read -r line < /proc/cmdline\ncase $line in *slipway.trial=*) ;; *) exit 0 ;; esac\n"
        "exec 3>/proc/sysrq-trigger 4>/dev/kmsg || exit 0\n"
        f"( sleep {within_s:.0f}; echo 'slipway: no init in time, back to the old kernel' >&4; echo c >&3 ) &\n"
        "echo $! > /run/slipway-trial.pid\n"
    )


def package_file(params: KernelParams) -> str:
    """Where the package lies on the device: where it was given, else where it is downloaded to."""
    if params.source.startswith("/"):
        return params.source
    return f"/var/lib/slipway/{params.debian_package}_{params.sha256[:16]}.deb"


def install(params: KernelParams, job: Job, running: str) -> list[list[str]]:
    """Fetch, check, install, hold, in order; each only when the one before was well."""
    file = package_file(params)
    fetch = [["/usr/lib/apt/apt-helper", "download-file", params.source, file, f"SHA256:{params.sha256}"]]
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"]
    return [
        *([] if params.source.startswith("/") else fetch),
        ["sha256sum", "--check", "--strict", job.file("sum")],
        [*quiet, "dpkg", "--force-confold", "-i", file],
        ["apt-mark", "hold", params.debian_package, f"linux-image-{running}"],
        ["sync"],
    ]


def checksum(params: KernelParams) -> str:
    """The file that `sha256sum --check` reads."""
    return f"{params.sha256}  {package_file(params)}\n"


def remove(package: str, running: str, holds: Sequence[str]) -> list[list[str]]:
    """The package away again, and the holds as they were: all others were never touched."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    ours = [name for name in (package, f"linux-image-{running}") if name not in holds]
    return [*([["apt-mark", "unhold", *ours]] if ours else []), [*quiet, "dpkg", "--purge", package], ["sync"]]


def defaults(wanted: Mapping[str, str | bool]) -> str:
    """The command line over every later boot; read by update-grub after /etc/default/grub.

    Parameters are taken out of what others set before they are added, so that none stands there twice.
    """
    lines = ["# Written by Slipway: the command line that its changes set, over every later boot."]
    for name in wanted:
        pattern = re.escape(name).replace("/", "\\/")
        taken = f"sed -E 's/(^| ){pattern}(=[^ ]*)?( |$)/\\1\\3/g'"
        lines.append(f'GRUB_CMDLINE_LINUX=$(printf "%s" "$GRUB_CMDLINE_LINUX" | {taken})')
    new = [name if value is True else f"{name}={value}" for name, value in wanted.items() if value is not False]
    lines.append(f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(new)}"')
    return "\n".join(lines) + "\n"


def shown(commands: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Commands as the approver reads them."""
    return tuple(shlex.join(argv) for argv in commands)
