"""One look at the queues of a device: what cards are set to, what they, interrupts and CPUs have counted. As JSON.

`fleet.core.rss_reading` makes of two looks what the doctor takes. Nothing in it is a guess: what was not told is null.
"""

import re
from collections.abc import Mapping

from fleet.core.model import Json
from playbooks import ethtool_texts
from playbooks.base import Answer, Refused, Session
from playbooks.nic import counters, parse, procfs, scripts

_BATCH_S = 60.0
_COMMANDS: dict[str, list[str]] = {
    "boot_id": ["cat", "/proc/sys/kernel/random/boot_id"],
    "uptime": ["cat", "/proc/uptime"],
    "kernel": ["uname", "-r"],
    "interrupts": ["cat", "/proc/interrupts"],
    "softirqs": ["cat", "/proc/softirqs"],
    "stat": ["cat", "/proc/stat"],
    "siblings": [
        "/bin/sh", "-c", 'grep -Hs "" "$1"/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list',
        "slipway-siblings", "",
    ],
    "irqbalance": ["pgrep", "-x", "irqbalance"],
}  # fmt: skip
_FLOWS = ("tcp4", "udp4", "esp4", "tcp6", "udp6", "esp6")
_SIBLINGS = re.compile(r"/cpu(\d{1,4})/topology/thread_siblings_list:([0-9,-]{1,60})$", re.MULTILINE)
_FEW = 400  # interfaces of one device that are kept


def look(session: Session) -> dict[str, Json]:
    """Look at the queues of every interface of a device, in one round trip. Raises as `Session.batch`."""
    each = {"queues": scripts.queues()}
    try:
        answers = session.batch(_COMMANDS, per_interface=each, timeout_s=_BATCH_S, root=True)
    except Refused:
        if not session.device.become:
            raise
        answers = session.batch(_COMMANDS, per_interface=each, timeout_s=_BATCH_S)
    return reading(answers)


def reading(answers: Mapping[str, Answer]) -> dict[str, Json]:
    """The answers as JSON; pure.

    boot_id, kernel, uptime (s), cpus (online), cores, irqbalance (bool or null), stat (CPU > [softirq, all] ticks),
    net_rx (CPU > runs), interfaces (name > `_interface`).
    """

    def out(name: str) -> str:
        answer = answers.get(name)
        return answer.out if answer is not None and answer.ok else ""

    found = procfs.interrupts(out("interrupts"))
    stat = procfs.cpu_times(out("stat"))
    uptime = out("uptime").split(" ")[0].strip()
    named = {name.partition(":")[2]: a.out for name, a in answers.items() if name.startswith("queues:")}
    interfaces = {name: _interface(text, found) for name, text in list(named.items())[:_FEW] if text.strip()}
    return {
        "boot_id": out("boot_id").strip()[:64] or None,
        "kernel": out("kernel").strip()[:128] or None,
        "uptime": float(uptime) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", uptime) else None,
        "cpus": sorted(stat) or None,
        "cores": _cores(out("siblings")),
        "irqbalance": _runs(answers.get("irqbalance")),
        "stat": {str(cpu): list(ticks) for cpu, ticks in stat.items()},
        "net_rx": {str(cpu): n for cpu, n in procfs.softirqs(out("softirqs")).items()},
        "interfaces": interfaces,
    }


def _cores(text: str) -> int | None:
    """Physical cores: sets of siblings that differ."""
    return len({siblings for _, siblings in _SIBLINGS.findall(text)}) or None


def _runs(answer: Answer | None) -> bool | None:
    """pgrep: 0 with a number for one that runs, 1 with nothing for none."""
    if answer is None or answer.status not in (0, 1):
        return None
    return bool(answer.out.strip()) if answer.ok or not answer.out.strip() else None


def _interface(text: str, interrupts: Mapping[int, procfs.Interrupt]) -> dict[str, Json]:
    """driver, up, queues (rx), most, settable, rss, fields, told, rx (queue > packets), drops, no_buffer, received,
    vectors (receive queue > interrupts by CPU), affinity (receive queue > CPUs as the kernel lists them)."""
    part = ethtool_texts.section(text)
    counted = counters.read(part.answers.get("stats", ""))
    channels = parse.amounts(part.answers.get("channels", ""))
    queues = _queues(channels, part.fields.get("queues", ""))
    irqs = {int(row[0]): row for row in part.lists.get("irq", []) if row and row[0].isdecimal() and len(row[0]) < 8}
    vectors = procfs.receive_queues(
        {n: interrupts[n].name if n in interrupts else "".join(row[2:3]) for n, row in irqs.items()}, queues=queues
    )
    rss = ethtool_texts.rss(part.answers.get("rss", ""))
    fields = {f: ethtool_texts.flow_hash(part.answers.get(f"flow {f}", "")) for f in _FLOWS}
    lost = dict(counted.no_buffer) or {n: v for n in ("rx_missed_errors", "rx_fifo_errors") if (v := _whole(part, n))}
    return {
        "driver": part.fields.get("driver", "")[:63],
        "up": part.fields.get("operstate") in ("up", "unknown"),
        "queues": queues,
        "most": max(channels.most.get("combined", 0), channels.most.get("rx", 0)) if channels else None,
        "settable": channels is not None and max(channels.most.values(), default=1) > 1,
        "rss": rss,
        "fields": {flow: letters for flow, letters in fields.items() if letters is not None},
        "told": counted.told.value,
        "why": counted.why,
        "rx": {str(q): n for q, n in counted.rx.items()} or None,
        "drops": {str(q): n for q, n in counted.drops.items()} or None,
        "no_buffer": lost,
        "received": _whole(part, "rx_packets"),
        "vectors": {
            str(q): {str(cpu): n for cpu, n in interrupts[irq].by_cpu.items()}
            for irq, q in vectors.items()
            if irq in interrupts
        }
        or None,
        "affinity": {str(q): irqs[irq][1] for irq, q in vectors.items() if len(irqs[irq]) > 1} or None,
    }


def _queues(channels: parse.Amounts | None, listed: str) -> int | None:
    """Receive queues: as ethtool says, else as many as sysfs lists."""
    if channels is not None:
        now = channels.now.get("combined", 0) + channels.now.get("rx", 0)
        if now:
            return now
    return int(listed) if listed.isdecimal() and 0 < int(listed[:6]) < 4096 else None


def _whole(part: ethtool_texts.Section, name: str) -> int | None:
    text = part.fields.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
