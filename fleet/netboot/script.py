"""The scripts that iPXE runs. Pure.

Addresses in them are relative: nothing of a request is repeated in an answer. No colon may stand in one (the MAC is
written with dashes): iPXE takes what is before it for a scheme and downloads nothing (seen with Debian 12).
"""

from fleet.netboot.serving import Served

# What would go on broken, or stand still, shall end in a panic, and a panic in the next boot: the default again. These
# go before the target's own words, which win. `slipway.trial`: seconds from the start of the kernel until it must have
# been reached, for the unit of the image (playbooks/netboot/render.py); as many as the kind `kernel` gives.
TRIAL_ARGS = "panic=30 oops=panic softlockup_panic=1 slipway.trial=300"


def start() -> str:
    """Say who you are: the address of the port that boots, and the machine's UUID."""
    return "#!ipxe\nchain host.ipxe?mac=${netX/mac:hexhyp}&uuid=${uuid} || goto failed\n:failed\n" + _again("no answer")


def script(served: Served) -> str:
    """Boot this target. A download that fails asks again: what was to be tried once is then the default."""
    target, files = served.target, f"files/{served.target.pk}"
    asks = "mac=${netX/mac:hexhyp}"
    args = f"{TRIAL_ARGS} {target.cmdline}".rstrip() if served.once else target.cmdline
    lines = [
        "#!ipxe",
        f"echo Slipway: {served.host.router.name} boots {target.name}{' once' if served.once else ''}",
        f"kernel {files}/kernel?{asks} {'initrd=initrd ' if target.initrd else ''}{args} || goto failed",
    ]
    if target.initrd:
        lines.append(f"initrd --name initrd {files}/initrd?{asks} || goto failed")
    lines += ["boot || goto failed", ":failed", ""]
    return "\n".join(lines) + _again(f"{target.name} could not be booted")


def failing(words: str) -> str:
    return "#!ipxe\n" + _again(words)


def _again(words: str) -> str:
    return f"echo Slipway: {words}\nsleep 10\nchain host.ipxe?mac=${{netX/mac:hexhyp}}&uuid=${{uuid}}\n"
