"""What a router says of itself around VPP: links, daemons, what VPP has, what vppcfg would do."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.core import vpp_judge
from fleet.core.checks import CheckResult
from fleet.core.model import Json, Reason, Verdict
from playbooks.base import Answer, Session
from playbooks.vpp import parse, render, vppcfg_tool

ALIVE_S = 5.0
_ASK = {
    "lcp": "show lcp", "interface": "show interface", "bonds": "show bond details", "lacp": "show lacp",
    "errors": "show errors", "runtime": "show runtime", "fib4": "show ip fib summary", "fib6": "show ip6 fib summary",
}  # fmt: skip
_PROCESS = ("NRestarts", "MainPID")


def ctl(command: str, *, seconds: float = ALIVE_S) -> list[str]:
    """One question to VPP that ends: its main thread may hang while it forwards on."""
    return ["timeout", f"{seconds:g}", "vppctl", "-s", render.SOCKET, *command.split()]


@dataclass(frozen=True)
class Vpp:
    """VPP as it was found. `seconds`: of an answer of its control plane; None: there was none within the limit."""

    seconds: float | None
    version: str | None
    answers: Mapping[str, str]
    process: Mapping[str, str] | None

    @property
    def forwarding(self) -> bool | None:
        """Can it still be forwarding? The process is there."""
        return None if self.process is None else self.process.get("ActiveState") == "active"

    @property
    def pairs(self) -> dict[str, str] | None:
        found = parse.lcp(self.answers.get("lcp", ""))
        return None if found is None else {name: host for name, (host, _) in found.items()}

    def kept(self) -> dict[str, Json]:
        """What a later look is compared with."""
        same = {key: self.process[key] for key in _PROCESS if key in self.process} if self.process else None
        return {"errors": parse.errors(self.answers.get("errors", "")), "process": same, "version": self.version}


def look(session: Session, *, alive_s: float = ALIVE_S) -> Vpp:
    """VPP now. A control plane that does not answer is not asked further: each question would take its limit."""
    begun = time.monotonic()
    first = session.run(ctl("show version", seconds=alive_s), timeout_s=alive_s + 20.0, root=True)
    seconds = round(time.monotonic() - begun, 3)
    shown = session.run(
        ["systemctl", "show", "-p", ",".join((*_PROCESS, "ActiveState")), "vpp.service"], timeout_s=20.0
    )
    rows = dict(line.partition("=")[::2] for line in shown.out.splitlines() if "=" in line)
    version = parse.version(first.out) if first.ok else None
    if version is None:
        return Vpp(None, None, {}, rows or None)
    answers = session.batch({name: ctl(words) for name, words in _ASK.items()}, timeout_s=60.0, root=True)
    good = {name: answer.out for name, answer in answers.items() if answer.ok}
    return Vpp(seconds, version, good, rows or None)


def health(seen: Vpp, wanted: Mapping[str, Any], *, before: Mapping[str, Any] | None = None) -> tuple[CheckResult, ...]:
    """The checks that do not depend on routes. `wanted`: "pairs", "bonds" (members by name); `before`: `Vpp.kept`."""
    alive = vpp_judge.control_plane(seen.seconds, forwarding=seen.forwarding)
    if seen.seconds is None:
        return (alive,)
    bonds = {str(name): list(members) for name, members in dict(wanted.get("bonds") or {}).items()}
    made = [
        alive,
        vpp_judge.lcp_pairs(dict(wanted.get("pairs") or {}), seen.pairs),
        vpp_judge.bonds({n: len(m) for n, m in bonds.items()}, parse.bond_details(seen.answers.get("bonds", ""))),
        vpp_judge.lacp(
            parse.lacp(seen.answers["lacp"]) if "lacp" in seen.answers else None,
            [member for name, members in bonds.items() for member in members],
        ),
        vpp_judge.load(parse.runtime(seen.answers.get("runtime", ""))),
    ]
    if before is not None:
        made.append(vpp_judge.errors(before.get("errors"), parse.errors(seen.answers.get("errors", ""))))
        made.append(vpp_judge.same_process(before.get("process"), seen.kept()["process"]))
    return tuple(made)


def fibs(seen: Vpp, counts: Mapping[str, tuple[int | None, int | None]]) -> tuple[CheckResult, ...]:
    """VPP's tables against the daemon's and the kernel's. `counts`: family > (daemon, kernel)."""
    return tuple(
        vpp_judge.fib(
            family, daemon=daemon, kernel=kernel, found=parse.fib_total(seen.answers.get(f"fib{family[-1]}", ""))
        )
        for family, (daemon, kernel) in counts.items()
    )


def failed(results: Sequence[CheckResult]) -> tuple[Reason, ...]:
    """Reasons of every check that did not pass: what cannot be told is no pass."""
    return tuple(reason for result in results if result.verdict is not Verdict.PASS for reason in result.reasons)


def plan_now(session: Session, path: str = render.CONFIG, *, novpp: bool = False) -> tuple[str, ...] | Reason:
    """What vppcfg on the router would do, as commands; a reason where it does not plan."""
    options = ["--novpp"] if novpp else []
    answer = session.run(["vppcfg", "-q", "plan", *options, "-c", path, "-o", "-"], timeout_s=60.0, root=True)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[-200:]
        remedy = (
            "253: VPP does not answer; 254: the configuration is not valid; 127: install vppcfg with python3-vpp-api."
        )
        return Reason("vppcfg plan", f"status {answer.status}: {said}", "a plan", remedy)
    return vppcfg_tool.meant(answer.out.splitlines())


def same_plan(found: tuple[str, ...] | Reason, approved: Sequence[str], device: str) -> tuple[Reason, ...]:
    """Why what vppcfg plans on the router is not what was approved; empty when it is, line by line."""
    if isinstance(found, Reason):
        return (found,)
    if list(found) == list(approved):
        return ()
    more = [line for line in found if line not in approved][:3]
    fewer = [line for line in approved if line not in found][:3]
    words = "; ".join(
        part
        for part in ("also " + ", ".join(more) if more else "", "without " + ", ".join(fewer) if fewer else "")
        if part
    )
    remedy = "Something moved since, or the router's vppcfg is another version: collect facts, plan and approve again."
    return (
        Reason(f"plan of VPP on {device}", words or "another order of its commands", "the approved commands", remedy),
    )


def links(answers: Mapping[str, Answer]) -> tuple[render.Link, ...] | Reason:
    """The interfaces of `links` and `addresses` (ip -j -d link, ip -j addr), as what brings them back."""
    try:
        rows = json.loads(answers["links"].out)
        held = {
            row["ifname"]: row.get("addr_info", []) for row in json.loads(answers["addresses"].out) if "ifname" in row
        }
    except (KeyError, ValueError, TypeError):
        return Reason("interfaces", "no readable answer of `ip -j`", "a list of them")
    made = []
    for row in rows if isinstance(rows, list) else ():
        name = str(row.get("ifname", ""))
        if not name or name == "lo":
            continue
        addresses = tuple(
            f"{one['local']}/{one['prefixlen']}" for one in held.get(name, ()) if one.get("scope") == "global"
        )
        made.append(
            render.Link(
                name, str(row.get("address", "")), int(row.get("mtu") or 0), "UP" in row.get("flags", ()), addresses,
                _about(row),
            )
        )  # fmt: skip
    return tuple(made)


def _about(row: Mapping[str, Any]) -> dict[str, Json]:
    about = row.get("linkinfo") or {}
    data = about.get("info_data") or {}
    made: dict[str, Json] = {"master": row["master"]} if row.get("master") else {}
    match about.get("info_kind"):
        case "vlan":
            made |= {"kind": "vlan", "parent": row.get("link"), "id": data.get("id"), "protocol": data.get("protocol")}
        case "bond":
            made |= {"kind": "bond", "mode": data.get("mode"), "policy": data.get("xmit_hash_policy")}
        case "dummy":
            made["kind"] = "dummy"
        case _:
            pass
    return made


def static_routes(answers: Mapping[str, Answer]) -> list[list[str]]:
    """Routes that nobody would put back: those of no daemon, as arguments of `ip`."""
    made: list[list[str]] = []
    for name, family in (("routes4", "-4"), ("routes6", "-6")):
        try:
            rows = json.loads(answers[name].out) if name in answers else []
        except ValueError:
            continue
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict) or row.get("protocol") not in {"static", "boot"} or not row.get("dst"):
                continue
            words = [family, "route", "replace", str(row["dst"])]
            words += ["via", str(row["gateway"])] if row.get("gateway") else []
            words += ["dev", str(row["dev"])] if row.get("dev") else []
            words += ["metric", str(row["metric"])] if row.get("metric") else []
            made.append([*words, "proto", str(row["protocol"])])
    return made
