"""The section of the peers, from the run that is kept."""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proof import report
from proof.report import Row

FILE = Path(__file__).resolve().parents[2] / "var" / "proof" / "peers.json"
ANSIBLE, SCRIPT = 0.2, 1.25  # of their wall (and of Ansible's CPU), at most
CHANGES = {"set": "a kernel setting, all at once", "restart": "the routing daemon restarted, five at a time"}
NAMES = {"slipway": "Slipway", "started": "Slipway started anew", "ansible": "Ansible", "script": "the script"}
WORDS = """\
{hosts} hosts of this machine, each with a network, mounts and processes of its own, a real sshd and a real BIRD, fresh
for every change; {rounds}, who goes first changes. Figures are medians, with the least and the most. The
changes: facts, drained by BIRD's switches and read back, the setting (`net.ipv4.tcp_fin_timeout`, real in each
network, and its file in /etc/sysctl.d) or the restart, verified, undrained. `systemctl` on the hosts is a small script
that starts and stops BIRD: there is no systemd in namespaces like these.

- Slipway: SQLite, in-process engine: collecting facts, plan, approval, baseline, armed commit-confirm, the change, its
  events. Host keys checked. It runs as a service: its figures are those of a process that is there when somebody asks.
  Started anew: the same from the start of Python on (Django, drivers, recipes), as the others are, which have no other
  way to run; for that row nothing is wanted.
- Ansible: {ansible}, nothing but ansible-core, pipelining, as many forks as hosts, strategy free, shared SSH
  connections, default facts; `serial: 5` for the restart. Host keys checked. (`proof/peers/play_*.yaml`)
- The script: nornir and netmiko's `send_command`, {questions} short questions for facts instead of Slipway's
  {asked}; it checks no host key, arms nothing, records nothing, and does not wait until traffic has left.
  (`proof/peers/script.py`) Slipway waits 2 s for that on each router (one until the network has learned of the drain,
  one between two looks at the counters), and half a second for a new connection over which a setting is confirmed.

CPU is that of all processes of a side on the controller, connections that outlive it included; hosts and controller
share two cores that others used as well (load {load}). Memory is the most at once, what is shared counted once. One
host loses its power as soon as its setting is written or its daemon has started anew; what is left is read on the
hosts, of the dead one on its disk."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def line(run: Mapping[str, Any]) -> str:
    """One run on one line."""
    left = ", ".join(f"{len(names)} {what}" for what, names in run["left"].items() if names)
    died = f"; {run['dead']} died" if run["dead"] else ""
    return f"{run['wall_s']} s, CPU {run['cpu_s']} s, {run['memory_mb']} MB, exit {run['status']}; {left}{died}"


def keep(figures: dict[str, Any]) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(figures, indent=2) + "\n")


def runs_of(hosts: int) -> list[dict[str, Any]]:
    """The runs that are kept, if they were over so many hosts."""
    figures = json.loads(FILE.read_text()) if FILE.exists() else {}
    return list(figures.get("runs", [])) if figures.get("hosts") == hosts else []


def rows(runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The table. Pure."""
    made = []
    for what, words in CHANGES.items():
        whole = [r for r in runs if r["what"] == what and not r["dies"]]
        if whole:
            made += _whole(words, whole)
    for what, words in CHANGES.items():
        for side, name in NAMES.items():
            for run in runs:
                if run["side"] == side and run["what"] == what and run["dies"]:
                    made.append(Row(f"{words}; one host dies: what {name} leaves", _left(run)))
    return made


def _whole(words: str, runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    made = []
    middle: dict[tuple[str, str], float] = {}
    for key, title in (("wall_s", "wall, s"), ("cpu_s", "CPU, s"), ("memory_mb", "memory, MB")):
        found = []
        for side, name in NAMES.items():
            mine = [r for r in runs if r["side"] == side]
            if figures := [float(r[key]) for r in mine]:
                middle[side, key] = statistics.median(figures)
                more = [f"{min(figures):.3g} to {max(figures):.3g}"] if len(figures) > 1 else []
                more += [f"load {statistics.median(r['load'] for r in mine):.0f}"] if key == "wall_s" else []
                found.append(f"{name} {middle[side, key]:.3g}" + (f" ({', '.join(more)})" if more else ""))
        made.append(Row(f"{words}: {title}", "; ".join(found)))
    wanted = (("ansible", "wall_s", ANSIBLE), ("ansible", "cpu_s", ANSIBLE), ("script", "wall_s", SCRIPT))
    for side, key, most in wanted:
        for own in ("slipway", "started"):
            if (side, key) in middle and (own, key) in middle:
                ratio = middle[own, key] / middle[side, key]
                title = f"{words}: {'wall' if key == 'wall_s' else 'CPU'}, {NAMES[own]} / {NAMES[side]}"
                if own == "slipway":
                    made.append(Row(title, f"{ratio:.2f}", f"at most {most}", holds=ratio <= most))
                else:
                    made.append(Row(title, f"{ratio:.2f}"))
    return made


def _left(run: Mapping[str, Any]) -> str:
    dead = run["dead"]
    parts = []
    for what, names in run["left"].items():
        others = [name for name in names if name != dead]
        if others:
            parts.append(f"{len(others)} {what}")
    own = next((what for what, names in run["left"].items() if dead in names), "unknown")
    others_left = f"of the others {', '.join(parts)}"
    return f"after {run['wall_s']:.0f} s: {others_left}; of the dead one's disk: {own}. It says: {_said(run)}"


def _said(run: Mapping[str, Any]) -> str:
    """What the side itself leaves in writing."""
    text = str(run["said"])
    match run["side"]:
        case "slipway":
            try:
                told = json.loads(text[text.index('{"facts_s"') :])
            except ValueError:
                return f"exit {run['status']}"
            states: dict[str, int] = {}
            for state in told["targets"].values():
                states[state] = states.get(state, 0) + 1
            counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            lines = [line for line in told["said"] if run["dead"] in line]
            about = next((line for line in lines if line.startswith("target")), lines[0] if lines else "")
            kept = f"change {told['change']}; {counted}; {run['dead']} {told['targets'].get(run['dead'], 'unknown')}"
            return f"{kept} ({about[:200]})" if about else kept
        case "ansible":
            recap = [row for row in text.splitlines() if row.startswith(f"{run['dead']} ")]
            return f"exit {run['status']}; " + (" ".join(recap[-1].split()) if recap else "nothing of that host")
        case _:
            return (
                f"exit {run['status']}; an exception of that host" if run["dead"] in text else f"exit {run['status']}"
            )


def write() -> None:
    """Write the section."""
    from playbooks.facts import commands
    from proof.peers.script import questions

    figures = json.loads(FILE.read_text())
    runs = figures["runs"]
    rounds = sum(not r["dies"] and r["side"] == "slipway" and r["what"] == "set" for r in runs)
    loads = [r["load"] for r in runs]
    words = WORDS.format(
        hosts=figures["hosts"], rounds=f"{rounds} round{'s' * (rounds != 1)}", ansible=figures["ansible"],
        questions=len(questions()), asked=len(commands.facts("bird")) + 2 * len(commands.FACTS_PER_INTERFACE),
        load=f"{min(loads):.0f} to {max(loads):.0f}",
    )  # fmt: skip
    for row in (made := rows(runs)):
        say(f"{row.what}: {row.found} {row.verdict}")
    report.write("peers", made, words=words)
