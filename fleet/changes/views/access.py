"""The guards of all pages for the pages of changes, and the names of the rights that these ask for."""

from fleet.guards import acts, edits, is_htmx, missing, person, reads, refused

__all__ = ["APPROVE", "EDIT", "OPERATE", "acts", "edits", "is_htmx", "missing", "person", "reads", "refused"]

OPERATE = "changes.change_run"
APPROVE = "changes.add_approval"
EDIT = "changes.change_change"
