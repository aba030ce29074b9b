"""What is done to a change: each calls the function of fleet.changes.lifecycle that the button of its page calls."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.changes import lifecycle, standards
from fleet.changes.api import asked, reading, shapes
from fleet.changes.lifecycle import Reasons
from fleet.changes.models import Change, Window
from fleet.core.model import Reason
from fleet.people.roles import APPROVE, OPERATE

TAG = "changes"


def _op(scope: Scope, *rights: str, takes: Any = None) -> Mapping[str, Op]:
    return methods(POST=Op(scope, rights=rights, takes=takes, gives=shapes.ChangeOut, refuses=True, may_match=True))


class Act(ApiView):
    """One thing that is done to a change. `theirs`: only by its author, or who may edit every change."""

    tag = TAG
    theirs: ClassVar[bool] = False

    def act(self, change: Change) -> Reasons:
        """Do it, or say why not."""
        raise NotImplementedError

    def done(self, pk: int) -> Response:
        """The change afterwards, or why nothing was done."""
        change = reading.change(pk)
        if self.theirs and (others := lifecycle.not_theirs(change, self.person())):
            return refused(others, status=403, code="permission")
        self.check_match(shapes.ChangeOut, change)
        if reasons := self.act(change):
            return refused(reasons)
        return self.answer(reading.change(pk))


class SubmitView(Act):
    """Submit."""

    name, ops, theirs = "change-submit", _op(Scope.DRAFT, takes=asked.Submission), True

    def post(self, request: Request, pk: int) -> Response:
        """Put a draft before approvers; with `standard`: as a standard change, approved beforehand."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        if name := self.sent.get("standard"):
            return standards.submit(change, self.person(), clock.now(), name=name)
        return lifecycle.submit(change, self.person(), clock.now())


class CancelView(Act):
    """Cancel."""

    name, ops, theirs = "change-cancel", _op(Scope.DRAFT, takes=asked.Why), True

    def post(self, request: Request, pk: int) -> Response:
        """Withdraw a change that has not started."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        return lifecycle.cancel(change, self.person(), clock.now(), why=_text(self.sent, "why"))


class CommentView(Act):
    """Comment."""

    name, ops = "change-comment", _op(Scope.DRAFT, takes=asked.Said)

    def post(self, request: Request, pk: int) -> Response:
        """Say something about the newest revision without deciding anything."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        return lifecycle.comment_on(change, self.person(), clock.now(), comment=_text(self.sent, "comment"))


class _Decide(Act):
    approve: ClassVar[bool] = True

    def act(self, change: Change) -> Reasons:
        return lifecycle.decide_on(
            change,
            self.person(),
            clock.now(),
            approve=self.approve,
            digest=self.sent["digest"],
            comment=_text(self.sent, "comment"),
        )


class ApproveView(_Decide):
    """Approve."""

    name, ops = "change-approve", _op(Scope.APPROVE, APPROVE, takes=asked.Decision)

    def post(self, request: Request, pk: int) -> Response:
        """Approve exactly the plan with this digest."""
        return self.done(pk)


class DenyView(_Decide):
    """Deny."""

    name, ops, approve = "change-deny", _op(Scope.APPROVE, APPROVE, takes=asked.Decision), False

    def post(self, request: Request, pk: int) -> Response:
        """Deny exactly the plan with this digest, and say why."""
        return self.done(pk)


class ScheduleView(Act):
    """Schedule."""

    name, ops = "change-schedule", _op(Scope.OPERATE, OPERATE, takes=asked.Into)

    def post(self, request: Request, pk: int) -> Response:
        """Let an approved change start by itself in a window."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        name = self.sent.get("window", "")
        window = Window.objects.filter(name=name, withdrawn_at__isnull=True).first() if name else None
        if name and window is None:
            return (Reason("window", repr(name), "one that stands", "Choose another: it may be withdrawn."),)
        return lifecycle.schedule(change, self.person(), clock.now(), window=window)


class StartView(Act):
    """Start."""

    name, ops = "change-start", _op(Scope.OPERATE, OPERATE, takes=asked.Start)

    def post(self, request: Request, pk: int) -> Response:
        """Begin to execute the approved plan now."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        return lifecycle.start(change, self.person(), clock.now(), window_end=self.sent.get("window_end"))


class _Control(Act):
    """What is asked of a run."""

    ask: ClassVar[Callable[..., Reasons]]

    def act(self, change: Change) -> Reasons:
        return type(self).ask(change, self.person(), clock.now(), why=_text(self.sent, "why"))


class PauseView(_Control):
    """Pause."""

    name, ops, ask = "change-pause", _op(Scope.OPERATE, OPERATE, takes=asked.Why), lifecycle.pause

    def post(self, request: Request, pk: int) -> Response:
        """Stop where it stands, undo nothing."""
        return self.done(pk)


class ResumeView(_Control):
    """Resume."""

    name, ops, ask = "change-resume", _op(Scope.OPERATE, OPERATE, takes=asked.Why), lifecycle.resume

    def post(self, request: Request, pk: int) -> Response:
        """Go on after a pause."""
        return self.done(pk)


class AbortView(_Control):
    """Abort."""

    name, ops, ask = "change-abort", _op(Scope.OPERATE, OPERATE, takes=asked.Why), lifecycle.abort

    def post(self, request: Request, pk: int) -> Response:
        """Stop now and roll back what is in flight."""
        return self.done(pk)


class RollbackView(_Control):
    """Roll back."""

    name, ops, ask = "change-rollback", _op(Scope.OPERATE, OPERATE, takes=asked.Why), lifecycle.roll_back

    def post(self, request: Request, pk: int) -> Response:
        """Stop now and take everything back that this run has done."""
        return self.done(pk)


class ReleaseView(Act):
    """Release."""

    name, ops = "change-release", _op(Scope.OPERATE, OPERATE, takes=asked.Released)

    def post(self, request: Request, pk: int) -> Response:
        """Let go of stuck devices that were put right by hand."""
        return self.done(pk)

    def act(self, change: Change) -> Reasons:
        why = _text(self.sent, "why")
        return lifecycle.release(change, self.person(), clock.now(), names=self.sent["names"], why=why)


def _text(sent: Any, name: str) -> str:
    return str(sent.get(name, "")).replace("\r\n", "\n").strip()
