"""Why one core works while the others sleep: from flows, key, table and counters to a verdict in plain words. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleet.core import rss_remedies as remedies
from fleet.core.model import Reason
from fleet.core.repair import Repair
from fleet.core.rss import ESP, UDP, Flow, Predicted, predict
from fleet.core.rss_load import Card, Limits, Load, Machine, limits
from fleet.core.rss_spread import Entropy, Spread, best, entropy, expected_effective, table_spread

NAT_T = 4500
# A queue that has this much of the packets has "all": broadcasts and ARP keep a few on queue 0 in any case.
ALL = 0.95
# From here on one input of the hash is the traffic, whatever else there is.
MOST_OF_IT = 0.5
# Half the sum of differences of two spreads. Twenty equal flows that are hashed as predicted differ by their packets'
# chance alone, a few per cent; a queue that has what should be on others differs by what is missing there.
ALIKE, OTHERWISE = 0.15, 0.30
# A CPU whose time is this much softirq takes no more packets (S4-12: "just over 100 %").
SATURATED = 0.95
# Below three quarters of what hashing gives on average for these flows, the spread is called bad.
GOOD_ENOUGH = 0.75


class Says(StrEnum):
    """The verdicts."""

    NO_ENTROPY = "no entropy"
    NOT_HASHED = "not hashed"
    PORTS_NOT_HASHED = "ports not hashed"
    TABLE_SKEWED = "table skewed"
    TOO_FEW_QUEUES = "too few queues"
    ONE_CORE = "queues on one core"
    IRQBALANCE_OFF = "irqbalance off"
    FINE = "fine"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """One verdict: what it is in plain words, why, and the request that would set it right, where there is one."""

    says: Says
    words: str
    reasons: tuple[Reason, ...] = ()
    advice: tuple[str, ...] = ()
    repair: Repair | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Everything the doctor says of one card. `seen_by`: packets, interrupts, or empty where nothing was seen."""

    device: str
    card: Card
    findings: tuple[Finding, ...]
    seen: Spread | None = None
    seen_by: str = ""
    predicted: Spread | None = None
    best: Spread | None = None
    untold: int = 0
    entropy: Entropy | None = None
    lost: int = 0  # packets without a buffer between the looks

    @property
    def is_fine(self) -> bool:
        return all(one.says is Says.FINE for one in self.findings)

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """The request that sets it right: what every finding asks for, together (the card is drained once)."""
        found = [one.repair for one in self.findings if one.repair is not None]
        # Another adapter policy brings other queues, and with them another table: what is set by hand waits for that.
        policy = [one for one in found if one.recipe == remedies.UCS_RECIPE]
        if policy or not found:
            return tuple(policy[:1])
        inputs = {key: value for one in found for key, value in one.inputs.items()}
        inputs["spread"] = any(one.inputs.get("spread") for one in found)
        return (Repair(found[0].recipe, inputs, found[0].targets, ()),)


@dataclass(frozen=True)
class _Case:
    """All that is known, prepared once."""

    device: str
    card: Card
    machine: Machine
    load: Load | None
    flows: Mapping[Flow, int]
    limits: Limits
    seen: Spread | None
    seen_by: str
    predicted: Predicted | None
    entropy: Entropy | None

    @property
    def spread_over(self) -> int | None:
        """Over how many queues this card can spread as it is set."""
        known = [n for n in (self.card.queues, self.limits.spread) if n is not None]
        return min(known) if known else None

    @property
    def unhashed(self) -> frozenset[int]:
        """Where packets without a hash end: queue 0, on some cards bucket 0 of the table."""
        table = self.card.rss.table if self.card.rss is not None else ()
        return frozenset({0, *table[:1]})

    @property
    def best(self) -> Spread | None:
        if self.entropy is None or not self.entropy.packets or self.spread_over is None:
            return None
        return best(self.entropy.weights, self.spread_over)


def diagnose(
    device: str, card: Card, machine: Machine, *, load: Load | None = None, flows: Mapping[Flow, int] | None = None
) -> Diagnosis:
    """Say what is wrong with the spread of a card's packets, if anything is, and what would set it right.

    `flows`: what arrived on it, with packets; the same traffic that `load` counted. What is not known is left out, and
    where nothing can be concluded the one finding is "cannot tell", with what is missing. All findings at once.
    """
    case = _prepared(device, card, machine, load, flows or {})
    findings = [found for rule in _RULES if (found := rule(case)) is not None]
    if not findings:
        findings = [_fine_or_untold(case)]
    return Diagnosis(
        device=device,
        card=card,
        findings=tuple(findings),
        seen=case.seen,
        seen_by=case.seen_by,
        predicted=_as_spread(case.predicted),
        best=case.best,
        untold=case.predicted.untold if case.predicted else 0,
        entropy=case.entropy,
        lost=load.lost if load is not None else 0,
    )


def _as_spread(predicted: Predicted | None) -> Spread | None:
    return Spread({q: float(n) for q, n in predicted.packets.items()}) if predicted is not None else None


def _prepared(device: str, card: Card, machine: Machine, load: Load | None, flows: Mapping[Flow, int]) -> _Case:
    seen = load.seen() if load is not None else None
    predicted = predict(card.rss, flows) if card.rss is not None and flows else None
    if predicted is not None and predicted.untold > predicted.total / 2:
        predicted = None
    return _Case(
        device, card, machine, load, flows, limits(card.driver, machine.kernel),
        seen[0] if seen else None, seen[1] if seen else "", predicted,
        entropy(flows, rss=card.rss) if flows else None,
    )  # fmt: skip


# -- rules: each looks at one cause


def _no_entropy(case: _Case) -> Finding | None:
    """All packets look the same to the hash, or most of them do: no card can spread them."""
    told = case.entropy
    if told is None or not told.packets or told.heaviest < MOST_OF_IT or (case.spread_over or 2) < 2:
        return None
    if len(told.weights) == 1:
        peers = "one peer" if told.pairs == 1 else f"{told.flows} flows that the card does not tell apart"
        words = f"All packets look the same to the hash ({peers}), so one queue is expected, whatever the card."
    else:
        words = (
            f"{told.heaviest:.0%} of the packets are one flow to the hash: one queue has to take them all, "
            "however the others are spread."
        )
    found = f"{len(told.weights)} different input(s), the heaviest with {told.heaviest:.0%} of the packets"
    wanted = f"packets of many peers, or entropy in their ports, for {case.spread_over or 'several'} queues"
    return Finding(
        Says.NO_ENTROPY, words, (Reason(_subject(case), found, wanted),), remedies.entropy_advice(case.flows)
    )


def _ports_not_hashed(case: _Case) -> Finding | None:
    """The ports differ where the addresses do not, and the card looks at addresses only."""
    rss, told, over = case.card.rss, case.entropy, case.spread_over
    if rss is None or told is None or over is None or over < 2:
        return None
    bare = {
        f.kind: 0 for f in case.flows if sorted(rss.fields_of(f) or "") == ["d", "s"] and not f.kind.startswith("ip")
    }
    with_ports = sorted(kind for kind in bare if kind[:3] in ("tcp", "udp"))
    if not with_ports:
        return None
    now = expected_effective(told.weights, over)
    then = expected_effective(entropy(case.flows, "sdfn").weights, over)
    if then < now * 1.5:
        return None
    words = (
        f"The card hashes {', '.join(with_ports)} by addresses alone. With ports these flows would spread over "
        f"{then:.1f} queues instead of {now:.1f}."
    )
    reason = Reason(_subject(case), f"{', '.join(with_ports)} by sd", "sdfn (ports too)")
    caution = "Fragments are hashed by addresses in any case: packets of fragmented flows may change order."
    return Finding(Says.PORTS_NOT_HASHED, words, (reason,), (caution,), remedies.hash_ports(case.device, case.card))


def _not_hashed(case: _Case) -> Finding | None:
    """What should be on other queues is all where packets without a hash end."""
    if case.seen is None or case.predicted is None or case.card.rss is None or case.seen_by != "packets":
        return None
    seen, expected = case.seen, _as_spread(case.predicted)
    assert expected is not None
    if distance(seen, expected) < OTHERWISE:
        return None
    guilty = _unhashed_kinds(case, seen)
    if guilty is None:
        return None
    names = ", ".join(guilty)
    on = case.seen.busiest
    should = ", ".join(str(q) for q in expected.used())
    words = (
        f"The card does not hash this traffic ({names}): its packets should be on queue(s) {should} and are on queue "
        f"{on}, where packets without a hash end."
    )
    found = f"{seen.share(on or 0):.0%} of the packets on queue {on}"
    reason = Reason(_subject(case), found, f"{expected.share(on or 0):.0%} there, by key and table of the card")
    return Finding(Says.NOT_HASHED, words, (reason,), remedies.not_hashed_advice(guilty, case.card))


def _unhashed_kinds(case: _Case, seen: Spread) -> tuple[str, ...] | None:
    """The kinds of traffic without which the hash explains what is seen; None: that does not explain it either."""
    rss = case.card.rss
    assert rss is not None
    kinds = sorted({kind_of(f) for f in case.flows})
    choices = [*((k,) for k in kinds), tuple(kinds)] if len(kinds) > 1 else [tuple(kinds)]
    for chosen in choices:
        rest = predict(rss, {f: n for f, n in case.flows.items() if kind_of(f) not in chosen})
        lost = sum(n for f, n in case.flows.items() if kind_of(f) in chosen)
        for queue in sorted(case.unhashed):
            loads = {q: float(n) for q, n in rest.packets.items()}
            loads[queue] = loads.get(queue, 0.0) + lost
            if distance(seen, Spread(loads)) <= ALIKE:
                return chosen
    return None


def kind_of(flow: Flow) -> str:
    """A kind of traffic in words that people use: "ESP in UDP (port 4500)", udp4 ..."""
    if flow.protocol == UDP and not flow.fragment and NAT_T in (flow.source_port, flow.destination_port):
        return f"ESP in UDP, IPv{flow.family} (port {NAT_T})"
    return f"ESP over IPv{flow.family}" if flow.protocol == ESP else flow.kind


def distance(one: Spread, other: Spread) -> float:
    """How different two spreads are: half the sum of the differences of their shares, 0 (equal) to 1."""
    return sum(abs(one.share(q) - other.share(q)) for q in {*one.packets, *other.packets}) / 2


def _table_skewed(case: _Case) -> Finding | None:
    """The indirection table leaves queues out, or gives some much more than others."""
    over, rss = case.spread_over, case.card.rss
    if rss is None or over is None or over < 2 or not rss.table:
        return None
    spread = table_spread(rss.table, over)
    unused = [q for q in range(over) if not spread.packets.get(q)]
    even = len(rss.table) / over
    worst = max(spread.packets.values()) / even
    if not unused and worst < 1.5:
        return None
    said = (
        f"leaves out queue(s) {_short(unused)}"
        if unused
        else f"gives queue {spread.busiest} {worst:.1f} times its share"
    )
    words = f"The indirection table {said}: of {over} queues {spread.effective:.1f} are in effect used."
    reason = Reason(f"{case.card.name}, indirection table", f"it {said}", f"{len(rss.table)} buckets, even over {over}")
    return Finding(Says.TABLE_SKEWED, words, (reason,), (), remedies.equal_table(case.device, case.card))


def _too_few_queues(case: _Case) -> Finding | None:
    """The queues that there are have more than their cores can take, and there could be more of both."""
    load, queues = case.load, case.card.queues
    wanted = remedies.queues_wanted(case.card, case.machine, case.limits)
    if load is None or queues is None or wanted is None or wanted <= queues:
        return None
    hot = load.hottest
    saturated = hot is not None and hot[1] >= SATURATED
    if not saturated and load.lost == 0:
        return None
    if queues > 1 and case.seen is not None and case.seen.effective < queues * GOOD_ENOUGH:
        return None  # those that there are stand idle: more of them help nobody
    cores = f"{case.machine.cores or case.machine.cpus} cores" if case.machine.cpus else "several cores"
    words = f"{queues} receive queue(s) for {cores}: " + _pain(load, hot if saturated else None)
    reasons = [Reason(f"{case.card.name}, receive queues", str(queues), str(wanted))]
    reasons += [Reason(f"{case.card.name}, {k}", f"{n} more in {load.seconds:.0f} s", "none") for k, n in _grown(load)]
    repair, advice = remedies.more_queues(case.device, case.card, case.machine, wanted)
    return Finding(Says.TOO_FEW_QUEUES, words, tuple(reasons), advice, repair)


def _grown(load: Load) -> list[tuple[str, int]]:
    return [(name, count) for name, count in sorted(load.missed.items()) if count > 0]


def _pain(load: Load, hot: tuple[int, float] | None) -> str:
    said = []
    if hot is not None:
        said.append(f"CPU {hot[0]} spends {hot[1]:.0%} of its time on softirqs and can take no more packets")
    if load.lost:
        names = ", ".join(name for name, _ in _grown(load))
        said.append(f"{load.lost} packets were lost for want of a buffer ({names}) in {load.seconds:.0f} s")
    return "; ".join(said) + "."


def _one_core(case: _Case) -> Finding | None:
    """Several queues are busy and one CPU takes all their interrupts."""
    load = case.load
    cpus = load.on_cpus() if load is not None else None
    if load is None or cpus is None or load.interrupts is None or (case.machine.cpus or 2) < 2:
        return None
    busy = [q for q, by_cpu in load.interrupts.items() if sum(by_cpu.values()) >= 0.02 * cpus.total]
    if len(busy) < 2 or cpus.worst < ALL:
        return None
    off = case.machine.irqbalance is False
    pinned = all(len(case.card.cpus.get(q, frozenset({0, 1}))) == 1 for q in busy)
    words = f"CPU {cpus.busiest} takes {cpus.worst:.0%} of the interrupts of {len(busy)} busy receive queues"
    words += ", and irqbalance, which would spread them, does not run." if off and not pinned else "."
    if pinned:
        words += " They are pinned to it."
    found = f"{cpus.worst:.0%} of the interrupts on CPU {cpus.busiest}"
    reason = Reason(_subject(case), found, f"{min(len(busy), case.machine.cpus or len(busy))} CPUs that share them")
    says = Says.IRQBALANCE_OFF if off and not pinned else Says.ONE_CORE
    repair = remedies.spread_interrupts(case.device, case.card, case.machine)
    return Finding(says, words, (reason,), remedies.interrupts_advice(case.machine), repair)


_RULES: Sequence[Callable[[_Case], Finding | None]] = (
    _not_hashed, _no_entropy, _ports_not_hashed, _table_skewed, _too_few_queues, _one_core
)  # fmt: skip


# -- when nothing is found


def _fine_or_untold(case: _Case) -> Finding:
    """No cause was found: fine if the spread is what these flows give, else say what is missing to tell."""
    missing = _missing(case)
    if missing:
        words = "It cannot be told yet how the packets spread: " + "; ".join(r.found for r in missing) + "."
        return Finding(Says.CANNOT_TELL, words, tuple(missing))
    assert case.seen is not None
    queues, in_use = case.spread_over or len(case.seen.packets), case.seen.effective
    predicted, possible = _as_spread(case.predicted), case.best
    if predicted is not None and case.seen_by == "packets" and distance(case.seen, predicted) < OTHERWISE:
        most = f"; placed by hand they could use {possible.effective:.1f}" if possible is not None else ""
        words = f"The packets use {in_use:.1f} of {queues} queues, as key and table of the card say{most}."
        return Finding(Says.FINE, words)
    weights = case.entropy.weights if case.entropy is not None else ()
    expected = expected_effective(weights, queues) if weights else float(queues)
    if queues > 1 and in_use < expected * GOOD_ENOUGH:
        words = (
            f"The packets use {in_use:.1f} of {queues} queues, and none of the known causes explains it: filters "
            "(ethtool -n), Flow Director or another traffic than the flows given may."
        )
        reason = Reason(_subject(case), f"{in_use:.1f} queues in effect", f"about {expected:.1f}")
        return Finding(Says.CANNOT_TELL, words, (reason,), () if weights else ("Capture some seconds of its flows.",))
    return Finding(Says.FINE, f"The packets spread over {in_use:.1f} of {queues} queues.")


def _missing(case: _Case) -> list[Reason]:
    reasons = []
    if case.card.queues is None:
        reasons.append(
            Reason(_subject(case), "its number of queues is not known", "ethtool -l, or its queues in sysfs")
        )
    if case.load is None:
        reasons.append(Reason(_subject(case), "its counters were not looked at twice", "two looks, 10 s apart"))
    elif case.seen is None and (case.card.queues or 2) > 1:
        said = "no counter or interrupt by queue, or too little traffic"
        reasons.append(Reason(_subject(case), said, "1,000 packets in 10 s, by queue"))
    elif case.seen is None:
        reasons.append(Reason(_subject(case), "too little traffic on its one queue", "1,000 packets in 10 s"))
    return reasons


def _subject(case: _Case) -> str:
    return f"{case.device}, {case.card.name}"


def _short(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) <= 6 else f"{numbers[0]} to {numbers[-1]} ({len(numbers)})"
