"""Runs inside a router for whatever logs in over SSH (ForceCommand): runs it, and writes down what it was, when, how it
ended and how the router is afterwards. Imports nothing of the lab; needs no more than the router's own python3.

slipway-recorder            what SSH_ORIGINAL_COMMAND says, recorded in /run/recorder/journal.jsonl
slipway-recorder --state    how the router is, as one line of JSON

A file /run/recorder/fault.json ({"kind", "until": CLOCK_MONOTONIC}) has the next requests go wrong, as lab/sim does.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path("/run/recorder")
_BIRD = Path("/etc/systemd/system/multi-user.target.wants/bird.service")
SETTING = "net.core.somaxconn"
# A daemon that started this long ago may not have read its configuration yet: what it shows then says nothing.
YOUNG_S = 6.0
# What takes its text from standard input (playbooks/wire.py): read to its end first, so that it can be written down.
_TAKES_INPUT = re.compile(r"(^|\s)(-s|slipway-put .*)$")
_LATE_S = 20.0
_GARBAGE = b"\x00\x1b[31m\xff\xfe{]}\x07\r\n%%% 0x7f3a: \x1b]0;title\x07 nil\n" * 3


def state() -> dict[str, Any]:
    """Boot, unit of the routing daemons, their processes, configuration (None: cannot be told now), sessions."""
    suite = "bird" if _BIRD.is_symlink() else "frr"  # both are installed everywhere
    text, sessions = _frr() if suite == "frr" else _bird()
    return {
        "suite": suite,
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "unit": _unit(f"/run/systemd/units/invocation:{suite}.service"),
        "daemons": _pids(suite),
        "setting": _read("/proc/sys/" + SETTING.replace(".", "/")),
        "channels": {nic: _channels(nic) for nic in ("eth1", "eth2", "eth3")},
        "config": text,
        "sessions": sessions,
    }


def _frr() -> tuple[str | None, list[str]]:
    asked = ["show daemons", "show running-config", "show bgp summary json"]
    done = _ask(["vtysh", *(word for line in asked for word in ("-c", line))])
    daemons, _, rest = done.partition("\n")
    text, _, tail = rest.partition("\nend\n")
    whole = {"zebra", "bgpd", "ospfd", "ospf6d"} <= set(daemons.split()) and "\nrouter bgp " in text
    try:
        age = time.time() - Path("/run/frr/bgpd.pid").stat().st_mtime
        families = json.loads(tail)
    except (OSError, ValueError):
        return None, []
    peers = [
        peer for one in families.values() for peer, said in one.get("peers", {}).items()
        if said.get("state") == "Established"
    ]  # fmt: skip
    return (text if whole and age > YOUNG_S else None), peers


def _bird() -> tuple[str | None, list[str]]:
    texts = [_read("/etc/bird/slipway-drain.conf"), _read("/etc/bird/bird.conf")]
    lines = [line.split() for line in _ask(["/usr/sbin/birdc", "show", "protocols"]).splitlines()]
    peers = [words[0] for words in lines if words[1:2] == ["BGP"] and "Established" in words]
    return ("\n".join(texts) if all(texts) else None), peers


def _pids(suite: str) -> dict[str, str]:
    names = ("bgpd", "ospfd", "ospf6d", "zebra") if suite == "frr" else ("bird",)
    if suite == "frr":
        return {name: _read(f"/run/frr/{name}.pid") for name in names}
    return {"bird": _ask(["pgrep", "-x", "-o", "bird"]).strip()}


def _channels(nic: str) -> int:
    try:
        return sum(name.startswith("rx-") for name in os.listdir(f"/sys/class/net/{nic}/queues"))
    except OSError:
        return 0


def _unit(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except PermissionError:
        return _ask(["sudo", "-n", "cat", path]).strip()
    except OSError:
        return ""


def _ask(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _note(entry: dict[str, Any]) -> None:
    """One line, in the order in which the router's state was read; a configuration only where it is another one."""
    with (FOLDER / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seen = state()
        last = FOLDER / "config"
        if seen["config"] is not None:
            if last.exists() and last.read_text() == seen["config"]:
                seen["config"] = ""
            else:
                last.write_text(seen["config"])
        line = json.dumps({"mono": time.monotonic(), "wall": time.time(), **entry, "state": seen})
        with (FOLDER / "journal.jsonl").open("a") as file:
            file.write(line + "\n")


def _fault(text: str) -> str:
    """What shall go wrong now; a late answer and a lost one each once."""
    path = FOLDER / "fault.json"
    try:
        said = json.loads(path.read_text())
        if time.monotonic() > said["until"] or (said["kind"] == "garbage_output" and not re.search("show|birdc", text)):
            return ""
        if said["kind"] == "slow":
            path.unlink()
    except (OSError, ValueError):
        return ""
    return str(said["kind"])


def _hang_up() -> None:
    """End the SSH session: its process is the parent of this one and of the same user."""
    os.kill(os.getppid(), signal.SIGKILL)


def _run(wanted: str, given: bytes | None, fault: str) -> int:
    quiet = fault in {"garbage_output", "hang", "drop_after"}
    child = subprocess.Popen(
        ["/bin/sh", "-c", wanted],
        stdin=None if given is None else subprocess.PIPE,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    if given is not None and child.stdin is not None:
        try:
            child.stdin.write(given)
            child.stdin.close()
        except BrokenPipeError:
            pass
    if fault == "drop_amid":
        time.sleep(0.1)
        _hang_up()
    return child.wait()


def main() -> int:
    if sys.argv[1:] == ["--state"]:
        sys.stdout.write(json.dumps(state()) + "\n")
        return 0
    wanted = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if not wanted:
        os.execv("/bin/bash", ["-bash"])
    given = sys.stdin.buffer.read() if _TAKES_INPUT.search(wanted) else None
    text = given.decode(errors="replace") if given is not None and wanted.endswith("-s") else ""
    fault, began = _fault(wanted + text), time.monotonic()
    entry: dict[str, Any] = {"event": "command", "command": wanted, "script": text, "began": began, "fault": fault}
    if fault == "drop_before":
        _note({**entry, "event": "drop"})
        _hang_up()
        return 255
    if fault == "slow":
        time.sleep(_LATE_S)
    status = _run(wanted, given, fault)
    _note({**entry, "status": status})
    if fault == "drop_after":
        _hang_up()
    if fault == "hang":
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(1.0)
    if fault == "garbage_output":
        sys.stdout.buffer.write(_GARBAGE)
        return 0
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
