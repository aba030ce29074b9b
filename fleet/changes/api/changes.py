"""Changes: listed, shown, drafted, revised, planned anew; and why they do not go on."""

from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, Paged, methods
from fleet.changes import lifecycle
from fleet.changes.api import asked, drafting, reading, shapes, why
from fleet.changes.models import Approval, Change, DraftRequest, RecipeCard, Revision
from fleet.changes.views import draft_asks
from fleet.core.model import Reason
from fleet.people.roles import DRAFT

TAG = "changes"


class ChangesView(ApiView):
    """Changes."""

    name, tag = "changes", TAG
    ops = methods(
        GET=Op(Scope.READ, query=asked.ChangesAsked, gives=shapes.ChangeOut, many=True),
        POST=Op(
            Scope.DRAFT, rights=(DRAFT,), takes=asked.ChangeWanted, gives=shapes.DraftOut, status=202, refuses=True
        ),
    )

    def get(self, request: Request) -> Response:
        """List changes, the newest first."""
        rows = Change.objects.select_related("author")
        said = dict(self.asked)
        for word, field in (("state", "state"), ("author", "author__username"), ("ticket", "ticket")):
            if word in said:
                rows = rows.filter(**{field: said[word]})
        if "since" in said:
            rows = rows.filter(created_at__gte=said["since"])
        if "recipe" in said:
            rows = rows.filter(pk__in=Revision.objects.filter(recipe=said["recipe"]).values("change"))
        if "device" in said:
            rows = rows.filter(revisions__run__targets__name=said["device"]).distinct()
        return self.page(rows, newest_first=True, prepare=reading.of_changes)

    def post(self, request: Request) -> Response:
        """Ask for a change: the engine plans it within seconds; look at the draft until it says what came of it."""
        card = RecipeCard.objects.filter(name=self.sent["recipe"]).first()
        if card is None:
            known = ", ".join(RecipeCard.objects.values_list("name", flat=True)[:30])
            wanted = "a recipe that comes with Slipway" + (f": {known}" if known else "; the engine publishes them")
            return refused([Reason("recipe", repr(self.sent["recipe"]), wanted, "See GET /recipes.")])
        form = drafting.form_of(self.sent, card, drafting.fresh(card))
        if isinstance(form, tuple):
            return refused(form)
        return drafted(self, draft_asks.ask(form, card, self.person(), clock.now()))


def drafted(view: ApiView, made: DraftRequest | tuple[Reason, ...]) -> Response:
    """202 with where to look, or why not."""
    if isinstance(made, tuple):
        return refused(made)
    where = view.request.build_absolute_uri(f"/api/v1/drafts/{made.pk}")
    return view.answer(shown(made), status=202, headers={"Location": where})


def shown(row: DraftRequest) -> DraftRequest:
    """A draft request with the number of its change, which only counts when it became one."""
    row.drafted = row.change_id if row.ended_at is not None and not row.left else None  # type: ignore[attr-defined]
    return row


class DraftView(ApiView):
    """What came of asking for a draft."""

    name, tag = "draft", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.DraftOut))

    def get(self, request: Request, pk: int) -> Response:
        """Look whether a draft is there, or why not."""
        row = DraftRequest.objects.select_related("asked_by").filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no draft {pk}.")
        return self.answer(shown(row))


class ChangeView(ApiView):
    """One change."""

    name, tag = "change", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.ChangeOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show a change."""
        return self.answer(reading.change(pk))


class WhyView(ApiView):
    """Why nothing (more) happens."""

    name, tag = "change-why", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.WhyOut))

    def get(self, request: Request, pk: int) -> Response:
        """Say where a change stands and why nothing more happens, in the words of its page."""
        return self.answer(why.of_change(pk, clock.now()))


class RevisionsView(ApiView):
    """The revisions of a change."""

    name, tag = "revisions", TAG
    ops = methods(
        GET=Op(Scope.READ, query=Paged, gives=shapes.RevisionOut, many=True),
        POST=Op(
            Scope.DRAFT,
            takes=asked.RevisionWanted,
            gives=shapes.DraftOut,
            status=202,
            refuses=True,
            match=True,
        ),
    )

    def get(self, request: Request, pk: int) -> Response:
        """List the revisions of a change, the newest first."""
        reading.change(pk)
        rows = Revision.objects.filter(change=pk).select_related("created_by").defer("plan")
        return self.page(rows, newest_first=True)

    def post(self, request: Request, pk: int) -> Response:
        """Revise a change: back to draft, every approval is void. If-Match: the change as you read it."""
        return revise(self, pk)


class PlanView(ApiView):
    """The plan of a change."""

    name, tag = "change-plan", TAG
    ops = methods(
        GET=Op(Scope.READ, gives=shapes.PlanOut),
        POST=Op(Scope.DRAFT, gives=shapes.DraftOut, status=202, refuses=True, may_match=True),
    )

    def get(self, request: Request, pk: int) -> Response:
        """Show the plan of the newest revision: exactly what an approval is about."""
        return self.answer(reading.revision(pk))

    def post(self, request: Request, pk: int) -> Response:
        """Plan anew, the same from the newest facts: a new revision."""
        return revise(self, pk)


class RevisionPlanView(ApiView):
    """The plan of one revision."""

    name, tag = "revision-plan", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.PlanOut))

    def get(self, request: Request, pk: int, number: int) -> Response:
        """Show the plan of a revision."""
        return self.answer(reading.revision(pk, number))


def revise(view: ApiView, pk: int) -> Response:
    """Ask for a new revision of a change, as whoever may edit it."""
    change = reading.change(pk)
    if theirs := lifecycle.not_theirs(change, view.person()):
        return refused(theirs, status=403, code="permission")
    view.check_match(shapes.ChangeOut, change)
    revision = Revision.objects.filter(change=pk).order_by("-number").first()
    if reason := draft_asks.not_editable(change, revision):
        return refused([reason])
    assert revision is not None
    revision.change = change
    card = RecipeCard.objects.filter(name=revision.recipe).first()
    if card is None:
        wanted = "a recipe that comes with Slipway"
        return refused([Reason("recipe", revision.recipe, wanted, "Revise it by command: ./manage.py plan --revise.")])
    form = drafting.form_of(view.sent, card, drafting.of_revision(revision))
    if isinstance(form, tuple):
        return refused(form)
    return drafted(
        view, draft_asks.ask(form, card, view.person(), clock.now(), revision=revision, edits=str(revision.number))
    )


class ApprovalsView(ApiView):
    """What people said of a change."""

    name, tag = "change-approvals", TAG
    ops = methods(GET=Op(Scope.READ, query=Paged, gives=shapes.ApprovalOut, many=True))

    def get(self, request: Request, pk: int) -> Response:
        """List what people said of a change: approvals, denials, comments."""
        reading.change(pk)
        return self.page(Approval.objects.filter(revision__change=pk).select_related("approver", "revision"))


class RecipesView(ApiView):
    """What can be done."""

    name, tag = "recipes", "recipes"
    ops = methods(GET=Op(Scope.READ, query=Paged, gives=shapes.RecipeOut, many=True))

    def get(self, request: Request) -> Response:
        """List the recipes that come with Slipway, with their inputs."""
        return self.page(RecipeCard.objects.all())


class RecipeView(ApiView):
    """One recipe."""

    name, tag = "recipe", "recipes"
    ops = methods(GET=Op(Scope.READ, gives=shapes.RecipeOut))

    def get(self, request: Request, recipe: str) -> Response:
        """Show a recipe."""
        row: Any = RecipeCard.objects.filter(name=recipe).first()
        if row is None:
            raise Http404(f"There is no recipe {recipe}.")
        return self.answer(row)
