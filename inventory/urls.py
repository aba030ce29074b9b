"""Addresses of the inventory. Each can be sent to a colleague; what narrows a list stands in its address."""

from django.urls import URLPattern, path

from inventory.views import blades, compat, devices, drift, edit, imports, nics, places, saved, ucs_calculator, wanted

urlpatterns: list[URLPattern] = [
    path("devices/", devices.devices, name="inventory-devices"),
    path("nics/", nics.nics, name="inventory-nics"),
    path("links/", places.links, name="inventory-links"),
    path("externals/", places.externals, name="inventory-externals"),
    path("sites/", places.sites, name="inventory-sites"),
    path("failure-domains/", places.failure_domains, name="inventory-failure-domains"),
    path("profiles/", wanted.profiles, name="inventory-profiles"),
    path("assignments/", wanted.assignments, name="inventory-assignments"),
    path("artifacts/", wanted.artifacts, name="inventory-artifacts"),
    path("consoles/", wanted.consoles, name="inventory-consoles"),
    path("credentials/", wanted.credentials, name="inventory-credentials"),
    path("beacons/", blades.beacons, name="inventory-beacons"),
    path("ucs-domains/", blades.ucs_domains, name="inventory-ucs-domains"),
    path("adapter-policies/", blades.adapter_policies, name="inventory-adapter-policies"),
    path("service-profiles/", blades.service_profiles, name="inventory-service-profiles"),
    path("ucs-calculator/", ucs_calculator.ucs_calculator, name="inventory-ucs-calculator"),
    path("drift/", drift.drift, name="inventory-drift"),
    path("drift.json", drift.drift_json, name="inventory-drift-json"),
    path("compat/", compat.compat, name="inventory-compat"),
    path("imports/", imports.imports, name="inventory-imports"),
    path("imports/ask", imports.ask, name="inventory-ask-import"),
    path("imports/<int:pk>/", imports.one_import, name="inventory-import"),
    path("imports/<int:pk>/apply", imports.apply, name="inventory-apply-import"),
    path("filters/save", saved.save, name="inventory-save-filter"),
    path("filters/<int:pk>/forget", saved.forget, name="inventory-forget-filter"),
    *edit.addresses(),
]
