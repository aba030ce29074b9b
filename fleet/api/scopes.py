"""What a token may be for. A token never gives more than its person has: scope and right must both allow it."""

from collections.abc import Mapping
from enum import StrEnum


class Scope(StrEnum):
    """One kind of use of the API."""

    READ = "read"
    DRAFT = "changes:draft"
    APPROVE = "changes:approve"
    OPERATE = "changes:operate"
    CALENDAR = "calendar:write"
    INVENTORY = "inventory:write"


SCOPE_WORDS: Mapping[Scope, str] = {
    Scope.READ: "look at everything that a viewer sees",
    Scope.DRAFT: "draft, revise, plan, submit, cancel and comment on changes; draft what repairs drift",
    Scope.APPROVE: "approve and deny changes",
    Scope.OPERATE: "schedule, start, pause, resume, abort, roll back and release",
    Scope.CALENDAR: "add, exchange and withdraw windows and freezes",
    Scope.INVENTORY: "add, change and remove what people enter in the inventory, and what is wanted of it",
}
