"""Addresses of changes, runs, events, recipes, windows and freezes in the API."""

from django.urls import URLPattern, path

from fleet.changes.api import acts, changes, periods, queues, repairs, runs, slots

_OF_CHANGE = {
    "": changes.ChangeView,
    "/why": changes.WhyView,
    "/revisions": changes.RevisionsView,
    "/plan": changes.PlanView,
    "/approvals": changes.ApprovalsView,
    "/slots": slots.SlotsView,
    "/conflicts": slots.ConflictsView,
    "/events": runs.ChangeEventsView,
    "/evidence": runs.EvidenceView,
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
    path("runs", runs.RunsView.as_view(), name="api-runs"),
    path("runs/<int:pk>", runs.RunView.as_view(), name="api-run"),
    path("runs/<int:pk>/targets", runs.TargetsView.as_view(), name="api-targets"),
    path("runs/<int:pk>/targets/<str:name>", runs.TargetView.as_view(), name="api-target"),
    path("events", runs.EventsView.as_view(), name="api-events"),
    path("windows", periods.WindowsView.as_view(), name="api-windows"),
    path("windows/<int:pk>", periods.WindowView.as_view(), name="api-window"),
    path("freezes", periods.FreezesView.as_view(), name="api-freezes"),
    path("freezes/<int:pk>", periods.FreezeView.as_view(), name="api-freeze"),
    path("drift/repairs", repairs.RepairsView.as_view(), name="api-drift-repairs"),
    path("drift/repairs/<int:pk>", repairs.RepairView.as_view(), name="api-drift-repair"),
    path("queue-looks", queues.QueueLooksView.as_view(), name="api-queue-looks"),
    path("queue-looks/drafts", queues.QueueDraftsView.as_view(), name="api-queue-drafts"),
    path("queue-looks/<int:pk>", queues.QueueLookView.as_view(), name="api-queue-look"),
    path("recipes", changes.RecipesView.as_view(), name="api-recipes"),
    path("recipes/<str:recipe>", changes.RecipeView.as_view(), name="api-recipe"),
]
