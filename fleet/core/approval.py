"""Who must approve a change, what is still missing, who may give it and why not. Pure: rows come in as values.

Every policy that applies must be met; where none applies, the default does: one approver who is not an author. The
stages of a policy follow each other, and within one policy a person counts once. What a decision counted for is
replayed from the decisions in their order, with the groups that each person was in then: editing groups, policies or
authors afterwards makes nothing approved.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fleet.core.model import Json, Reason, to_json
from fleet.core.risk import Risk, at_least
from fleet.core.states import ChangeState


class Decision(StrEnum):
    """What a person said about a digest. A comment decides nothing."""

    APPROVED = "approved"
    REJECTED = "rejected"
    COMMENTED = "commented"


class Condition(StrEnum):
    """What a policy wants beside people."""

    TICKET = "ticket"  # the change names a ticket
    COMMENT = "comment"  # whoever approves says something
    NO_WARNINGS = "no warnings"  # no WARN finding
    WINDOW = "window"  # it starts with an end of its window


CONDITION_WORDS: Mapping[Condition, str] = {
    Condition.TICKET: "the change names a ticket",
    Condition.COMMENT: "whoever approves writes a comment",
    Condition.NO_WARNINGS: "the plan has no WARN findings",
    Condition.WINDOW: "it starts with an end of its window",
}


@dataclass(frozen=True)
class Stage:
    """So many approvals by people of these groups; no groups: anybody who may approve."""

    name: str
    groups: frozenset[str] = frozenset()
    quorum: int = 1

    @property
    def who(self) -> str:
        return " or ".join(sorted(self.groups)) if self.groups else "anybody who may approve"


@dataclass(frozen=True)
class Policy:
    """Which changes it is about, and what they need. An empty set or None means: whichever."""

    name: str
    stages: tuple[Stage, ...]
    least_risk: Risk | None = None
    recipes: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    expires_s: float | None = None
    conditions: frozenset[Condition] = frozenset()


DEFAULT = Policy("default", (Stage("second person"),))


@dataclass(frozen=True)
class Subject:
    """What a change is about, as policies ask for it."""

    recipe: str
    risk: Risk
    sites: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


def applying(policies: Sequence[Policy], subject: Subject) -> tuple[Policy, ...]:
    """Every policy that is about this change, by name; the default where there is none."""
    return tuple(sorted((p for p in policies if _applies(p, subject)), key=lambda p: p.name)) or (DEFAULT,)


def _applies(policy: Policy, subject: Subject) -> bool:
    return (
        (policy.least_risk is None or at_least(subject.risk, policy.least_risk))
        and (not policy.recipes or subject.recipe in policy.recipes)
        and (not policy.sites or bool(policy.sites & subject.sites))
        and (not policy.roles or bool(policy.roles & subject.roles))
    )


@dataclass(frozen=True)
class Given:
    """One decision as it was recorded: by whom, what, about which digest, and the groups the person was in then."""

    person: int
    name: str
    decision: Decision
    digest: str
    at: datetime
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StageStanding:
    """One stage of one policy: who has approved it. `open`: the stages before it are met."""

    policy: str
    stage: Stage
    have: tuple[Given, ...] = ()
    open: bool = True

    @property
    def missing(self) -> int:
        return max(0, self.stage.quorum - len(self.have))

    @property
    def words(self) -> str:
        """ "2 more of core-network"."""
        return f"{self.missing} more of {self.stage.who}" if self.missing else "met"


@dataclass(frozen=True)
class Standing:
    """Where the approval of one digest stands. `since`: when it was complete."""

    stages: tuple[StageStanding, ...]
    conditions: tuple[Condition, ...] = ()
    since: datetime | None = None
    expires_at: datetime | None = None

    @property
    def complete(self) -> bool:
        return bool(self.stages) and not any(s.missing for s in self.stages)

    @property
    def missing(self) -> tuple[StageStanding, ...]:
        return tuple(s for s in self.stages if s.missing)

    def reasons(self) -> tuple[Reason, ...]:
        """What is still missing, each stage a reason."""
        return tuple(
            Reason(
                f"approval, {s.policy}: {s.stage.name}",
                f"{len(s.have)} of {s.stage.quorum}",
                f"{s.missing} more of {s.stage.who}",
                "Ask one of them to read and approve the plan." if s.open else "The stage before it comes first.",
            )
            for s in self.missing
        )


def standing(policies: Sequence[Policy], given: Sequence[Given], *, digest: str, authors: Collection[int]) -> Standing:
    """Replay decisions in their order. What does not count: other digests, authors, comments, a second time."""
    counted = [g for g in given if g.decision is Decision.APPROVED and g.digest == digest and g.person not in authors]
    stages: list[StageStanding] = []
    expiries: list[datetime] = []
    for policy in policies:
        have, _ = _fill(policy, counted)
        is_open = True
        for stage, people in zip(policy.stages, have, strict=True):
            stages.append(StageStanding(policy.name, stage, tuple(people), is_open))
            is_open = is_open and len(people) >= stage.quorum
        first = min((g.at for people in have for g in people), default=None)
        if policy.expires_s is not None and first is not None:
            expiries.append(first + timedelta(seconds=policy.expires_s))
    done = bool(stages) and not any(s.missing for s in stages)
    since = max((g.at for s in stages for g in s.have), default=None) if done else None
    conditions = tuple(c for c in Condition if any(c in p.conditions for p in policies))
    return Standing(tuple(stages), conditions, since, min(expiries, default=None))


def _fill(policy: Policy, counted: Sequence[Given]) -> tuple[list[list[Given]], int]:
    """Who counts for which stage, and the number of the stage that is open (as many as there are: none)."""
    have: list[list[Given]] = [[] for _ in policy.stages]
    at, seen = 0, set[int]()
    for one in counted:
        at = _open_stage(policy, have)
        if at == len(policy.stages):
            break
        stage = policy.stages[at]
        if one.person in seen or (stage.groups and not stage.groups & one.groups):
            continue
        have[at].append(one)
        seen.add(one.person)
    return have, _open_stage(policy, have)


def _open_stage(policy: Policy, have: Sequence[Sequence[Given]]) -> int:
    return next((n for n, s in enumerate(policy.stages) if len(have[n]) < s.quorum), len(policy.stages))


@dataclass(frozen=True)
class Asked:
    """Who wants to decide, about what they read, as things are now.

    `authors`: id and name of everybody who wrote the change or any of its revisions. `digest`: what the person read;
    `newest`: what is to be decided on. `fatal`, `warnings`: findings of the plan.
    """

    state: ChangeState
    person: int
    name: str
    groups: frozenset[str]
    digest: str
    newest: str
    authors: Collection[int]
    comment: str = ""
    ticket: str = ""
    fatal: int = 0
    warnings: int = 0
    may: tuple[Reason, ...] = field(default=())  # why this person may decide on none of these devices


def may_decide(
    asked: Asked, policies: Sequence[Policy], given: Sequence[Given], *, approve: bool
) -> tuple[Reason, ...]:
    """Why this person may not approve or reject this digest now; all reasons at once, empty means yes."""
    reasons = list(asked.may)
    if asked.state is not ChangeState.SUBMITTED:
        wanted = "Only a submitted change can be approved or rejected."
        reasons.append(Reason("change", str(asked.state), "submitted", wanted))
    reasons += not_an_author(asked.person, asked.name, asked.authors)
    if asked.digest != asked.newest:
        reasons.append(
            Reason(
                "digest",
                asked.digest[:12] or "none",
                f"{asked.newest[:12]}, the newest revision",
                "The plan was edited since you opened it: read it again.",
            )
        )
    if not approve:
        if not asked.comment:
            reasons.append(Reason("comment", "none", "a reason for the refusal", "Say why, so that it can be mended."))
        return tuple(reasons)
    if asked.fatal:
        reasons.append(Reason("findings", f"{asked.fatal} fatal", "none", "Mend the plan; fatal findings stop it."))
    reasons += _conditions(asked, policies)
    if asked.person not in asked.authors:
        reasons += counts_for_nothing(asked, policies, given)
    return tuple(reasons)


def not_an_author(person: int, name: str, authors: Collection[int]) -> tuple[Reason, ...]:
    """The author never decides, nor whoever wrote any revision (rule 1)."""
    if person not in authors:
        return ()
    remedy = "Ask a colleague to review and approve it."
    return (Reason("approver", f"{name}, who is the author", "a second person", remedy),)


def _conditions(asked: Asked, policies: Sequence[Policy]) -> list[Reason]:
    reasons = []
    wanted = {c: p.name for p in policies for c in sorted(p.conditions)}
    if (name := wanted.get(Condition.TICKET)) and not asked.ticket:
        reasons.append(Reason("ticket", "none", f"one, by policy {name}", "Plan it with its ticket."))
    if (name := wanted.get(Condition.COMMENT)) and not asked.comment:
        reasons.append(Reason("comment", "none", f"one, by policy {name}", "Say what you looked at."))
    if (name := wanted.get(Condition.NO_WARNINGS)) and asked.warnings:
        found = f"{asked.warnings} WARN"
        reasons.append(Reason("findings", found, f"none, by policy {name}", "Mend the plan, or take another way."))
    return reasons


def counts_for_nothing(asked: Asked, policies: Sequence[Policy], given: Sequence[Given]) -> tuple[Reason, ...]:
    """Why an approval of this person would count in no policy; empty when it counts in one."""
    counted = [
        g
        for g in given
        if g.decision is Decision.APPROVED and g.digest == asked.newest and g.person not in asked.authors
    ]
    if any(g.person == asked.person for g in counted):
        return (Reason("approver", f"{asked.name}, who has approved it already", "another person", "Ask a colleague."),)
    reasons = []
    for policy in policies:
        _, at = _fill(policy, counted)
        if at == len(policy.stages):
            continue
        stage = policy.stages[at]
        if not stage.groups or stage.groups & asked.groups:
            return ()
        groups = ", ".join(sorted(asked.groups)) or "no group"
        reasons.append(
            Reason(
                f"stage {stage.name} of {policy.name}",
                f"{asked.name} in {groups}",
                f"somebody of {stage.who}",
                "Ask one of them; a later stage waits for this one.",
            )
        )
    return tuple(reasons)


def expired(state: Standing, now: datetime) -> tuple[Reason, ...]:
    """Has the approval run out?"""
    if state.expires_at is None or now < state.expires_at:
        return ()
    found = f"ran out {state.expires_at:%Y-%m-%d %H:%M} UTC"
    return (Reason("approval", found, "one that is still good", "Plan it again on fresh facts and have it approved."),)


def to_document(policies: Sequence[Policy]) -> Json:
    """The policies as JSON: kept at submission, so that later edits of policies change nothing that is under way."""
    return to_json(tuple(policies))


def from_document(data: Sequence[Mapping[str, Any]]) -> tuple[Policy, ...]:
    """The policies that `to_document` wrote."""
    return tuple(
        Policy(
            name=p["name"],
            stages=tuple(Stage(s["name"], frozenset(s["groups"]), s["quorum"]) for s in p["stages"]),
            least_risk=Risk(p["least_risk"]) if p["least_risk"] else None,
            recipes=frozenset(p["recipes"]),
            sites=frozenset(p["sites"]),
            roles=frozenset(p["roles"]),
            expires_s=p["expires_s"],
            conditions=frozenset(Condition(c) for c in p["conditions"]),
        )
        for p in data
    )
