"""BIRD around VPP: bird.conf says what is held back, checked before it is in force; `birdc configure` takes it over."""

from collections.abc import Iterable, Mapping

from fleet.core.model import Reason
from playbooks import birdc, birdc_show
from playbooks.base import Answer, Refused, Session, write
from playbooks.vpp import bird_holds
from playbooks.vpp.daemon import Said
from playbooks.vpp.holds import Hold

CONF = "/etc/bird/bird.conf"
# Beside the file, because what it includes may be named from there; not *.conf, which a file may include.
_CANDIDATE = f"{CONF}.slipway-vpp"
_WORK = "/var/lib/slipway/vpp-bird.conf"
_SPEAKING = frozenset({"BGP", "OSPF", "RIP", "Babel"})
_DONE = frozenset({birdc.Configured.DONE, birdc.Configured.IN_PROGRESS, birdc.Configured.NOTHING})
_ASK: Mapping[str, list[str]] = {
    "protocols": ["birdc", "show", "protocols", "all"],
    "ospf": ["birdc", "show", "ospf", "neighbors"],
    "bfd": ["birdc", "show", "bfd", "sessions"],
}


class Bird:
    """BIRD 2, whose file is the truth: every `configure` and every start takes each protocol to what it says."""

    conf = CONF

    def holds(self, config: str, *, members: str = "") -> tuple[Hold, ...]:
        return bird_holds.holds(config, members=members)

    def against(self, config: str) -> tuple[Reason, ...]:
        return bird_holds.against(config)

    def present(self, session: Session) -> tuple[Hold, ...] | Reason:
        """A protocol that runs and is in no block of the file, because it is in another one, could not be held back."""
        text = _text(session)
        if isinstance(text, Reason):
            return text
        if wrong := bird_holds.against(text):
            return wrong[0]
        found = bird_holds.holds(text)
        states = _states(session)
        if isinstance(states, Reason):
            return states
        known = {one.section.split()[-1] for one in found}
        more = sorted(
            n for n, (kind, state) in states.items() if kind in _SPEAKING and state != "down" and n not in known
        )
        if more:
            remedy = "Protocols of files that it includes cannot be held back: move them into it."
            return Reason(
                f"protocol {', '.join(more)[:200]}",
                f"runs, and is not in {CONF} or disabled there",
                f"in {CONF}",
                remedy,
            )
        return found

    def shut(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        mine = tuple(chosen)
        found = _held(session, mine)
        return found if isinstance(found, Reason) else tuple(m for m in mine if m in found[0] or m not in found[1])

    def open(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        mine = tuple(chosen)
        found = _held(session, mine)
        return found if isinstance(found, Reason) else tuple(m for m in mine if m not in found[0] or m in found[1])

    def configure(self, session: Session, chosen: Iterable[Hold], *, hold: bool, timeout_s: float) -> None:
        text = _text(session)
        if isinstance(text, Reason):
            raise Refused(text)
        made = bird_holds.changed(text, chosen, hold=hold)
        if made != text:
            self._write(session, made, timeout_s=timeout_s)
        meaning, said = birdc.configured(session.run(["birdc", "configure"], timeout_s=timeout_s, root=True).out)
        if meaning not in _DONE:
            raise Refused(Reason("birdc configure", f"refused: {said}", "reconfigured"))

    def _write(self, session: Session, text: str, *, timeout_s: float) -> None:
        """Over a copy of the file, because BIRD reads it as its own user; in its place only when BIRD accepts it."""
        write(session, _WORK, text, mode="0600")
        for command in (["cp", "-p", CONF, _CANDIDATE], ["cp", _WORK, _CANDIDATE], ["rm", "-f", _WORK]):
            _done(session.run(command, root=True), " ".join(command))
        check = ["bird", "-p", "-c", _CANDIDATE]
        answer = session.run(check, timeout_s=timeout_s, root=True)
        if not answer.ok:
            session.run(["rm", "-f", _CANDIDATE], root=True)
            remedy = "The file is as it was before. Put the line at the end of the protocol by hand to see why."
            raise Refused(Reason(" ".join(check), f"refused: {answer.said}", "accepted", remedy))
        _done(session.run(["mv", _CANDIDATE, CONF], root=True), CONF)

    def planned(self, chosen: Iterable[Hold]) -> tuple[str, ...]:
        names = ", ".join(one.section.split()[-1] for one in chosen)
        return (f"{CONF}: without `{bird_holds.LINE}` of {names}; birdc configure",) if names else ()

    def asked(self, session: Session) -> Said:
        answers = session.batch(dict(_ASK), timeout_s=30.0, root=True)
        said = {name: answer.out for name, answer in answers.items() if birdc_show.answered(answer.out)}
        if "protocols" not in said:
            return Said()
        rows = birdc_show.protocols(said["protocols"])
        full = {g: _full(said.get("ospf"), rows, family) for g, family in (("ospf", "ipv4"), ("ospf3", "ipv6"))}
        bfd = birdc_show.bfd(said["bfd"]) if "bfd" in said else None
        return Said(full, _sessions(rows), bfd, {family: _exported(rows, family) for family in ("ipv4", "ipv6")})


def _done(answer: Answer, what: str) -> None:
    if not answer.ok:
        raise Refused(Reason(what, answer.said, "done"))


def _text(session: Session) -> str | Reason:
    answers = session.batch({"text": ["cat", CONF], "link": ["test", "-L", CONF]}, root=True)
    if not {"text", "link"} <= answers.keys() or not answers["text"].ok or not answers["text"].out.strip():
        return Reason(CONF, "no configuration that can be read", "the configuration of BIRD")
    if answers["link"].ok:
        return Reason(CONF, "a symbolic link", "a file of its own", "What lies behind it would not be what is changed.")
    return answers["text"].out


def _states(session: Session) -> dict[str, tuple[str, str]] | Reason:
    """Protocol > (kind, state); a reason where BIRD does not answer."""
    answer = session.run(["birdc", "show", "protocols"], root=True)
    if not birdc_show.answered(answer.out):
        return Reason("birdc show protocols", answer.said, "an answer of BIRD")
    return {row.name: (row.kind, row.state) for row in birdc_show.protocols(answer.out)}


def _held(session: Session, chosen: tuple[Hold, ...]) -> tuple[tuple[Hold, ...], tuple[Hold, ...]] | Reason:
    """Those that the file holds back, and those that run."""
    text = _text(session)
    if isinstance(text, Reason):
        return text
    states = _states(session)
    if isinstance(states, Reason):
        return states
    running = {name for name, (_, state) in states.items() if state != "down"}
    return bird_holds.held(text, chosen), tuple(one for one in chosen if one.section.split()[-1] in running)


def _full(text: str | None, rows: Iterable[birdc_show.Protocol], family: str) -> frozenset[str] | None:
    if text is None:
        return None
    mine = {row.name for row in rows if row.kind == "OSPF" and row.family == family}
    found, _ = birdc_show.neighbours(text)
    return frozenset(one.router_id for one in found if one.protocol in mine and one.state.startswith("Full"))


def _sessions(rows: Iterable[birdc_show.Protocol]) -> dict[str, tuple[bool, int]]:
    """Peer > (Established with all its channels up, prefixes of all channels)."""
    made: dict[str, tuple[bool, int]] = {}
    for row in (r for r in rows if r.kind == "BGP"):
        peer = row.value("Neighbor address").partition("%")[0]
        channels = [lines for _, lines in row.channels()]
        states = [line.split()[-1] for lines in channels for line in lines if line.strip().startswith("State:")]
        up = row.value("BGP state") == "Established" and all(state == "UP" for state in states)
        counts = [found[0] for lines in channels if (found := birdc_show.routes(lines)) is not None]
        made[peer] = (up, max(counts, default=0))
    return made


def _exported(rows: Iterable[birdc_show.Protocol], family: str) -> int | None:
    """Routes that a family's kernel protocol has given to its table; of several the most."""
    counts = [
        found[1]
        for row in rows
        if row.kind == "Kernel"
        for name, lines in row.channels()
        if name == family and (found := birdc_show.routes(lines)) is not None
    ]
    return max(counts, default=None)
