"""Setting the indirection table, the hashed fields and the CPUs of interrupts of a virtual card. Pure."""

import re
from collections.abc import Sequence

from lab.sim.reply import Context, Reply
from lab.sim.router import Nic

_LETTERS = re.compile(r"[mvtsdfnr]{1,8}")


def custom(ctx: Context, nic: Nic, option: str, settings: Sequence[str]) -> Reply:
    """`ethtool -X IF equal N | default`, `ethtool -N IF rx-flow-hash TYPE LETTERS`: of i40e only.

    As captured: -N says no with exit status 0.
    """
    if not ctx.root:
        return Reply(err="netlink error: Operation not permitted\n", status=1)
    if nic.driver != "i40e":
        what = "RX network flow hashing options" if option == "-N" else "RX flow hash configuration"
        verb = "change" if option == "-N" else "set"
        return Reply(err=f"Cannot {verb} {what}: Operation not supported\n", status=0 if option == "-N" else 1)
    match [option, *settings]:
        case ["-X", "default"]:
            changes = ("table default",) if nic.custom.pop("equal", "") else ()
            return Reply(changes=changes)
        case ["-X", "equal", number] if number.isdigit() and 0 < int(number) <= nic.channels.get("combined", 1):
            return _keep(nic, "equal", number)
        case ["-N", "rx-flow-hash", kind, letters] if _LETTERS.fullmatch(letters):
            return _keep(nic, f"hash {kind}", letters)
        case _:
            return Reply(err="Cannot set RX flow hash configuration: Invalid argument\n", status=1)


def _keep(nic: Nic, key: str, value: str) -> Reply:
    changes = (f"{key} {nic.ifname} -> {value}",) if nic.custom.get(key) != value else ()
    nic.custom[key] = value
    return Reply(changes=changes)


def pin(ctx: Context, argv: Sequence[str]) -> Reply:
    """`/bin/sh /var/lib/slipway/nic-cpus irq IF CPU...`: one CPU after another for the vectors that receive."""
    nic = ctx.router.nics.get(argv[3]) if len(argv) > 4 else None
    if nic is None or argv[1] not in ctx.router.files or not ctx.root:
        return Reply(err=f"/bin/sh: 0: cannot open {argv[1]}: No such file\n", status=2)
    return _keep(nic, "cpus", " ".join(argv[4:])) if argv[2] == "irq" else Reply()


def cpu_of(nic: Nic, queue: int, *, cpus: int) -> str:
    """Which CPU takes the interrupts of a queue, as it was pinned, else one after another."""
    listed = nic.custom.get("cpus", "").split()
    return listed[queue % len(listed)] if listed else str(queue % cpus)
