"""The four roles and what each may do."""

from collections.abc import Mapping
from enum import StrEnum

OPERATE = "changes.change_run"
APPROVE = "changes.add_approval"
EDIT = "changes.change_change"
BREAK_GLASS = "changes.add_breakglass"
DRAFT = "changes.add_change"
POLICIES = "changes.change_approvalpolicy"  # adding, changing and removing alike
CALENDAR = "changes.add_window"  # windows and freezes alike: who may open a time may also close one
OUTWARD = "outward.change_endpoint"  # who is told by webhooks


class Role(StrEnum):
    """What somebody is at Slipway. Everybody who can sign in may look: a viewer has that and no more."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


# Submitting what one has drafted needs no right of its own. An approver does not operate by that alone.
RIGHTS: Mapping[Role, frozenset[str]] = {
    Role.VIEWER: frozenset(),
    Role.OPERATOR: frozenset({OPERATE, BREAK_GLASS, DRAFT}),
    Role.APPROVER: frozenset({APPROVE, DRAFT}),
    Role.ADMIN: frozenset({OPERATE, APPROVE, EDIT, BREAK_GLASS, DRAFT, CALENDAR, POLICIES, OUTWARD}),
}
