"""Cisco UCS Ethernet adapter policies: what their counts must be, what an adapter can give, what its host will show.

Nothing is calculated by UCS Manager and little is checked: a policy whose counts do not fit is accepted, and shows as
missing queues or as a failed association. Sources: domain facts of UCS (schema of ucsmsdk 0.9.27), story S4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.core.model import Finding, Reason, Severity

# The Linux driver takes one interrupt per completion queue, and two more: errors and notifications.
RESERVED_INTERRUPTS = 2
# Until Linux 6.13 (patch of 2024-10-22) enic created at most 8 receive and 8 transmit queues, whatever it was offered.
ENIC_CAP = 8
ENIC_CAP_UNTIL = (6, 13)
NAME_LENGTH = 16
# A bundle of blade firmware as UCS Manager names its version: "4.2(3d)B".
BUNDLE = r"[0-9]{1,2}\.[0-9]{1,2}\([0-9]{1,4}[a-zA-Z]{0,3}\)[A-Z]?"


@dataclass(frozen=True)
class Policy:
    """The counts of an Ethernet adapter policy (`adaptorHostEthIfProfile`); ring sizes in descriptors."""

    name: str
    receive: int = 1
    transmit: int = 1
    completion: int = 2
    interrupts: int = 4
    receive_ring: int = 512
    transmit_ring: int = 256
    rss: bool = False
    arfs: bool = False


@dataclass(frozen=True)
class Range:
    """Legal values of one property, both ends included. `field`: of `Policy`; `cli`: as UCS Manager's shell says it."""

    field: str
    cli: str
    least: int
    most: int

    def __contains__(self, value: int) -> bool:
        return self.least <= value <= self.most


_SINCE_4_2 = (
    Range("receive", "recv-queue count", 1, 1000),
    Range("transmit", "trans-queue count", 1, 1000),
    Range("completion", "comp-queue count", 1, 2000),
    Range("interrupts", "interrupt count", 1, 1024),
    Range("receive_ring", "recv-queue ring-size", 64, 16384),
    Range("transmit_ring", "trans-queue ring-size", 64, 16384),
)
_SMALLER_RINGS = tuple(replace(r, most=4096) if "ring" in r.field else r for r in _SINCE_4_2)
_FEWER = {"receive": 256, "transmit": 256, "completion": 512, "interrupts": 514}


def ranges(version: str) -> tuple[Range, ...]:
    """The schema's ranges of a UCS Manager by its version ("4.2(2a)"); of an unknown version the narrowest ones.

    Queues 1..256 before 3.1, 1..1000 since; rings up to 4096 before 4.2, 16384 since (schema of ucsmsdk).
    """
    numbers = _version(version)
    if numbers is not None and numbers >= (4, 2):
        return _SINCE_4_2
    if numbers is not None and numbers >= (3, 1):
        return _SMALLER_RINGS
    return tuple(replace(r, most=_FEWER.get(r.field, r.most)) for r in _SMALLER_RINGS)


def _version(text: str) -> tuple[int, int] | None:
    head = text.partition("(")[0].split(".")
    if len(head) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in head[:2]):
        return None
    return int(head[0]), int(head[1])


@dataclass(frozen=True)
class Limits:
    """What one adapter model gives. None: not known. `completions`: of all its vNICs together."""

    receive: int
    transmit: int
    source: str
    completions: int | None = None
    ring: int | None = None


_S4 = "observed on M81KR and VIC 1240 (story S4): 8 + 8 per vNIC; several vNICs with 256 + 256 fail to associate"
# Cisco's own totals per adapter were not found: a model that is not here is unknown, and says so. The inventory's
# table comes on top of this one.
KNOWN_LIMITS: Mapping[str, Limits] = {
    "M81KR": Limits(8, 8, _S4),
    "VIC 1240": Limits(8, 8, _S4),
}

# What the two adapters say in the failed stage of an association whose queues they do not have (story S4).
OUT_OF_QUEUES = ("Out of CQ resources", "vnicEthCreate failed")


def limits_of(model: str, table: Mapping[str, Limits] = KNOWN_LIMITS) -> Limits | None:
    """The limits of an adapter by its model as UCS Manager names it ("UCSB-MLOM-40G-01", "Cisco UCS VIC 1240")."""
    words = model.upper().replace("-", " ").split()
    for name, limits in table.items():
        wanted = name.upper().replace("-", " ").split()
        if any(words[i : i + len(wanted)] == wanted for i in range(len(words))):
            return limits
    return None


def derived(name: str, *, receive: int, transmit: int, like: Policy | None = None) -> Policy:
    """A policy with these queues and what follows from them; rings and the rest as in `like`.

    Completion queues = receive + transmit; interrupts = completion + 2; RSS with more than one receive queue. Whether
    the result is legal is for `illegal` to say: it is never made to fit in silence.
    """
    completion = receive + transmit
    return replace(
        like or Policy(name),
        name=name,
        receive=receive,
        transmit=transmit,
        completion=completion,
        interrupts=completion + RESERVED_INTERRUPTS,
        rss=receive > 1,
    )


def illegal(policy: Policy, version: str) -> tuple[Finding, ...]:
    """FATAL findings on the policy alone: outside of the schema, counts that do not fit each other, RSS off."""
    return illegal_in(policy, ranges(version), f"UCS Manager {version}")


def illegal_in(policy: Policy, legal: Sequence[Range], where: str) -> tuple[Finding, ...]:
    """`illegal` by the ranges of whatever takes it."""
    wrong = [
        _fatal("ucs-range", policy, f"{r.cli} {getattr(policy, r.field)}", f"{r.least} to {r.most} ({where})")
        for r in legal
        if getattr(policy, r.field) not in r
    ]
    if (wanted := policy.receive + policy.transmit) != policy.completion:
        found = f"comp-queue count {policy.completion}"
        sum_ = f"{wanted} = {policy.receive} receive + {policy.transmit} transmit"
        wrong.append(_fatal("ucs-completion", policy, found, sum_, f"set comp-queue count {wanted}"))
    if policy.interrupts < (least := policy.completion + RESERVED_INTERRUPTS):
        wanted_text = f"at least {least} = {policy.completion} completion queues + {RESERVED_INTERRUPTS}"
        remedy = f"set interrupt count {least}. With fewer the driver makes fewer queues, or no interface."
        wrong.append(_fatal("ucs-interrupts", policy, f"interrupt count {policy.interrupts}", wanted_text, remedy))
    if policy.receive > 1 and not policy.rss:
        found = f"{policy.receive} receive queues and rss receivesidescaling disabled"
        remedy = "set rss receivesidescaling enabled: without it all packets take queue 0."
        wrong.append(_fatal("ucs-rss-off", policy, found, "RSS with more than one receive queue", remedy))
    return tuple(wrong)


def _fatal(code: str, policy: Policy, found: str, wanted: str, remedy: str = "") -> Finding:
    return Finding(code, Severity.FATAL, Reason(f"adapter policy {policy.name}", found, wanted, remedy))


def linux(release: str) -> tuple[int, int] | None:
    """(6, 1) of "6.1.0-18-amd64", what `uname -r` says; None for anything else."""
    words = release.split("-")[0].split(".")
    if len(words) < 2 or not all(word.isascii() and word.isdigit() and len(word) < 5 for word in words[:2]):
        return None
    return int(words[0]), int(words[1])


@dataclass(frozen=True)
class Figure:
    """One figure of the calculator, with why it is what it is."""

    name: str
    value: int | None
    why: str


def on_host(policy: Policy, limits: Limits | None, *, kernel: tuple[int, int] | None, cpus: int | None) -> Figure:
    """The receive queues that the host will show, and which bound decides. Value None: cannot be told.

    `kernel`: of the host, (6, 1); None when unknown or not Linux. `cpus`: of the host.
    """
    bounds = [(policy.receive, "the policy offers them")]
    if limits is not None:
        bounds.append((limits.receive, limits.source))
    if kernel is not None and kernel < ENIC_CAP_UNTIL:
        bounds.append((ENIC_CAP, f"enic before Linux {ENIC_CAP_UNTIL[0]}.{ENIC_CAP_UNTIL[1]} makes at most {ENIC_CAP}"))
    if cpus is not None:
        bounds.append((cpus, f"the host has {cpus} CPUs"))
    value, why = min(bounds, key=lambda bound: bound[0])
    unknown = [n for n, known in (("the adapter", limits), ("the kernel", kernel)) if known is None]
    if unknown and value > 1:
        return Figure(
            "receive queues on the host", None, f"at most {value}: the limit of {' and '.join(unknown)} is not known"
        )
    return Figure("receive queues on the host", value, why)


def explained(policy: Policy, vnics: int, limits: Limits | None) -> tuple[Figure, ...]:
    """What a policy gives per vNIC and on a blade with so many vNICs of it, each figure with its reason."""
    completion = policy.receive + policy.transmit
    figures = [
        Figure("receive queues", policy.receive, "one per core that shall take packets; RSS spreads over them"),
        Figure("transmit queues", policy.transmit, "as many as receive queues: each core sends on its own"),
        Figure("completion queues", completion, f"{policy.receive} receive + {policy.transmit} transmit"),
        Figure(
            "interrupts", completion + RESERVED_INTERRUPTS,
            f"{completion} completion queues + {RESERVED_INTERRUPTS} (errors, notifications)",
        ),
        Figure("completion queues on the adapter", vnics * completion, f"{vnics} vNICs x {completion}"),
    ]  # fmt: skip
    total = limits.completions if limits is not None else None
    why = limits.source if limits is not None and total is not None else "not known for this adapter"
    return (*figures, Figure("completion queues that the adapter has", total, why))


def commands(now: Policy, wanted: Policy) -> tuple[str, ...]:
    """What an engineer would type in UCS Manager's shell for the difference, `commit-buffer` last; () when none."""
    lines = [
        f"set {r.cli} {getattr(wanted, r.field)}"
        for r in _SINCE_4_2
        if getattr(now, r.field) != getattr(wanted, r.field)
    ]
    if now.rss != wanted.rss:
        lines.append(f"set rss receivesidescaling {_word(wanted.rss)}")
    if now.arfs != wanted.arfs:
        lines.append(f"set arfs accelaratedrfs {_word(wanted.arfs)}")
    return (f"enter eth-policy {wanted.name}", *lines, "commit-buffer") if lines else ()


def _word(on: object) -> str:
    return "enabled" if on else "disabled"


def copies(name: str, waves: Sequence[object], taken: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Names for a copy of the policy per wave: at most 16 characters, none taken, in the order of the waves."""
    made: list[str] = []
    for number in range(1, len(waves) + 1):
        tail, turn = f"-w{number}", 1
        while (candidate := name[: NAME_LENGTH - len(tail)] + tail) in taken or candidate in made:
            turn += 1
            tail = f"-w{number}.{turn}"
        made.append(candidate)
    return tuple(made)
