"""Standard changes: a recipe approved once, with fixed bounds; whether a change keeps within them. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleet.core.model import Json, Reason

# A standard change takes the place of every later approval, so that one person's word is not enough for it.
APPROVALS_WANTED = 2


@dataclass(frozen=True)
class Standard:
    """What was approved once. `recipe_digest`: SHA-256 of the recipe's text then. Empty sites or roles: whichever.

    `bounds`: input -> what it may be: {"min": 1, "max": 8}, {"one_of": [..]}; an input that is not named must be
    left at the recipe's default. `approvers`: who approved exactly these bounds.
    """

    name: str
    recipe: str
    recipe_digest: str
    bounds: Mapping[str, Mapping[str, Json]]
    max_devices: int
    expires_at: datetime
    sites: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    author: int = 0
    approvers: frozenset[int] = frozenset()
    withdrawn: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a change asks for. `devices`: name -> (site, role)."""

    recipe: str
    recipe_digest: str
    inputs: Mapping[str, Json]
    devices: Mapping[str, tuple[str, str]]
    authors: Collection[int]
    fatal: int = 0


def misfits(standard: Standard, wanted: Wanted, now: datetime) -> tuple[Reason, ...]:
    """Why this change is not that standard change; all reasons at once, empty means it is."""
    called = f"standard change {standard.name}"
    return (
        *_still_good(standard, wanted, called, now),
        *_recipe(standard, wanted, called),
        *_inputs(standard, wanted),
        *_devices(standard, wanted),
    )


def _still_good(standard: Standard, wanted: Wanted, called: str, now: datetime) -> list[Reason]:
    reasons = []
    if standard.withdrawn:
        reasons.append(Reason(called, "withdrawn", "one that is in force", "Submit the change for approval."))
    if now >= standard.expires_at:
        found = f"ran out {standard.expires_at:%Y-%m-%d %H:%M} UTC"
        reasons.append(Reason(called, found, "one that is in force", "Have it approved anew."))
    # Nobody approves for himself, also not beforehand.
    second = standard.approvers - {standard.author} - set(wanted.authors)
    if len(second) < APPROVALS_WANTED:
        reasons.append(
            Reason(
                called,
                f"approved by {len(second)} who wrote neither it nor this change",
                f"{APPROVALS_WANTED} of them",
                "Have it approved by somebody else as well, or submit the change for approval.",
            )
        )
    if wanted.fatal:
        reasons.append(Reason("findings", f"{wanted.fatal} fatal", "none", "Mend the plan; fatal findings stop it."))
    return reasons


def _recipe(standard: Standard, wanted: Wanted, called: str) -> list[Reason]:
    if wanted.recipe != standard.recipe:
        return [Reason("recipe", wanted.recipe, standard.recipe, "Submit the change for approval.")]
    if wanted.recipe_digest != standard.recipe_digest:
        found = f"text {wanted.recipe_digest[:12]}"
        remedy = "The recipe was edited since: have the standard change approved anew."
        return [Reason(f"recipe of {called}", found, f"{standard.recipe_digest[:12]} as approved", remedy)]
    return []


def _inputs(standard: Standard, wanted: Wanted) -> list[Reason]:
    reasons = []
    for name, value in sorted(wanted.inputs.items()):
        bound = standard.bounds.get(name)
        if bound is None:
            reasons.append(Reason(f"input {name}", str(value)[:80], "left out", "It is not among the bounds."))
        elif not _within(value, bound):
            reasons.append(Reason(f"input {name}", str(value)[:80], bound_in_words(bound), "Submit it for approval."))
    return reasons


def bound_in_words(bound: Mapping[str, Json]) -> str:
    """ "1 to 8", "one of 4, 8"."""
    if "one_of" in bound:
        return f"one of {', '.join(str(v) for v in bound['one_of'])}"
    return f"{bound['min']} to {bound['max']}"


def _within(value: Json, bound: Mapping[str, Json]) -> bool:
    if "one_of" in bound:
        return any(type(value) is type(v) and value == v for v in bound["one_of"])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(bound["min"] <= value <= bound["max"])


def wrong_bounds(bounds: Json) -> tuple[Reason, ...]:
    """Why this is not a table of bounds."""
    if not isinstance(bounds, Mapping):
        return (Reason("bounds", type(bounds).__name__, 'a table: {"queues": {"min": 1, "max": 8}}'),)
    return tuple(
        Reason(f"bounds of {name}", str(bound)[:80], '{"min": 1, "max": 8} or {"one_of": [4, 8]}')
        for name, bound in bounds.items()
        if not _is_bound(bound)
    )


def _is_bound(bound: Json) -> bool:
    if not isinstance(bound, Mapping):
        return False
    if set(bound) == {"one_of"}:
        return isinstance(bound["one_of"], list) and bool(bound["one_of"])
    least, most = bound.get("min"), bound.get("max")
    if set(bound) != {"min", "max"} or isinstance(least, bool) or isinstance(most, bool):
        return False
    return isinstance(least, int | float) and isinstance(most, int | float) and least <= most


def _devices(standard: Standard, wanted: Wanted) -> list[Reason]:
    reasons = []
    count = len(wanted.devices)
    if count > standard.max_devices:
        remedy = "Make it several changes, or submit it for approval."
        reasons.append(Reason("devices", str(count), f"at most {standard.max_devices}", remedy))
    for what, place, allowed in (("site", 0, standard.sites), ("role", 1, standard.roles)):
        outside = sorted(n for n, of in wanted.devices.items() if allowed and of[place] not in allowed)
        if outside:
            found = ", ".join(f"{n} ({wanted.devices[n][place]})" for n in outside[:5])
            remedy = "Leave them out, or submit it for approval."
            reasons.append(Reason(f"{what} of devices", found, ", ".join(sorted(allowed)), remedy))
    return reasons
