"""Addresses of the pages that are about more than one change: first page, list, calendar, topology, audit, rules."""

from django.urls import URLPattern, path

from fleet.changes.views import (
    audit,
    breakglass,
    calendar,
    changes,
    dashboard,
    policies,
    policy_forms,
    standard_forms,
    topology,
    windows,
    windows_files,
    windows_forms,
)

urlpatterns: list[URLPattern] = [
    path("", dashboard.dashboard, name="dashboard"),
    path("changes/", changes.changes, name="changes"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("windows/", windows.windows, name="windows"),
    path("windows/add/", windows_forms.window, name="window-add"),
    path("windows/<int:pk>/edit/", windows_forms.window, name="window-edit"),
    path("windows/<int:pk>/withdraw", windows.withdraw_window, name="window-withdraw"),
    path("windows/import/", windows_files.take, name="windows-import"),
    path("windows/slipway.ics", windows_files.give, name="windows-export"),
    path("freezes/add/", windows_forms.freeze, name="freeze-add"),
    path("freezes/<int:pk>/edit/", windows_forms.freeze, name="freeze-edit"),
    path("freezes/<int:pk>/withdraw", windows.withdraw_freeze, name="freeze-withdraw"),
    path("topology/", topology.topology, name="topology"),
    path("audit/", audit.audit, name="audit"),
    path("policies/", policies.policies, name="policies"),
    path("policies/add/", policy_forms.policy, name="policy-add"),
    path("policies/<int:pk>/edit/", policy_forms.policy, name="policy-edit"),
    path("policies/<int:pk>/remove", policy_forms.remove, name="policy-remove"),
    path("standard-changes/", policies.standards, name="standards"),
    path("standard-changes/add/", standard_forms.standard, name="standard-add"),
    path("standard-changes/<int:pk>/approve", policies.approve, name="standard-approve"),
    path("standard-changes/<int:pk>/withdraw", policies.withdraw, name="standard-withdraw"),
    path("break-glass/", breakglass.break_glasses, name="break-glasses"),
]
