"""Addresses of changes, runs, events, recipes, windows and freezes in the API."""

from django.urls import URLPattern, path

from fleet.changes.api import acts, changes

_OF_CHANGE = {
    "": changes.ChangeView,
    "/why": changes.WhyView,
    "/revisions": changes.RevisionsView,
    "/plan": changes.PlanView,
    "/approvals": changes.ApprovalsView,
    "/submit": acts.SubmitView,
    "/cancel": acts.CancelView,
    "/comment": acts.CommentView,
    "/approve": acts.ApproveView,
    "/deny": acts.DenyView,
    "/schedule": acts.ScheduleView,
    "/start": acts.StartView,
    "/pause": acts.PauseView,
    "/resume": acts.ResumeView,
    "/abort": acts.AbortView,
    "/rollback": acts.RollbackView,
    "/release": acts.ReleaseView,
}

urlpatterns: list[URLPattern] = [
    path("changes", changes.ChangesView.as_view(), name="api-changes"),
    *(path(f"changes/<int:pk>{end}", view.as_view(), name=f"api-{view.name}") for end, view in _OF_CHANGE.items()),
    path("changes/<int:pk>/revisions/<int:number>/plan", changes.RevisionPlanView.as_view(), name="api-revision-plan"),
    path("drafts/<int:pk>", changes.DraftView.as_view(), name="api-draft"),
    path("recipes", changes.RecipesView.as_view(), name="api-recipes"),
    path("recipes/<str:recipe>", changes.RecipeView.as_view(), name="api-recipe"),
]
