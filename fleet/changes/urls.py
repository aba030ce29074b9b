"""Addresses of changes, their plans, waves, targets, events and buttons. Each can be sent to a colleague."""

from django.urls import URLPattern, path

from fleet.changes.views import (
    actions,
    approval_actions,
    change,
    changes,
    device,
    evidence,
    findings,
    plan,
    repair,
    stream,
    target,
)

urlpatterns: list[URLPattern] = [
    path("", changes.changes, name="changes"),
    path("stream", stream.stream, name="stream"),
    path("changes/<int:pk>/", change.change, name="change"),
    path("changes/<int:pk>/stream", stream.stream, name="change-stream"),
    path("changes/<int:pk>/events/", change.events, name="change-events"),
    path("changes/<int:pk>/plan/", plan.plan, name="change-plan"),
    path("changes/<int:pk>/revisions/<int:number>/plan/", plan.plan, name="revision-plan"),
    path("changes/<int:pk>/waves/<int:number>/", change.wave, name="wave"),
    path("changes/<int:pk>/targets/<str:name>/", target.target, name="target"),
    path("changes/<int:pk>/submit", actions.submit, name="submit"),
    path("changes/<int:pk>/submit-standard", approval_actions.submit_standard, name="submit-standard"),
    path("changes/<int:pk>/decide", actions.decide, name="decide"),
    path("changes/<int:pk>/comment", approval_actions.comment, name="comment"),
    path("changes/<int:pk>/break-glass", approval_actions.break_glass, name="break-glass"),
    path("changes/<int:pk>/break-glass/review", approval_actions.review_break_glass, name="review-break-glass"),
    path("changes/<int:pk>/override", findings.override, name="override"),
    path("changes/<int:pk>/start", actions.start, name="start"),
    path("changes/<int:pk>/pause", actions.pause, name="pause"),
    path("changes/<int:pk>/resume", actions.resume, name="resume"),
    path("changes/<int:pk>/abort", actions.abort, name="abort"),
    path("changes/<int:pk>/roll-back", actions.roll_back, name="roll-back"),
    path("changes/<int:pk>/cancel", actions.cancel, name="cancel"),
    path("changes/<int:pk>/release", actions.release, name="release"),
    path("inventory/devices/<str:name>/", device.device, name="device"),
    path("inventory/compat/evidence", evidence.evidence, name="evidence"),
    path("inventory/drift/repair", repair.draft, name="repair"),
    path("inventory/repairs/<int:pk>/", repair.repair_request, name="repair-request"),
]
