"""The rows of pages on top: the rooms of the house, and the pages within one."""

from datetime import datetime

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# Address name, title, and the paths that belong to it beside its own.
ROOMS = (
    ("dashboard", "Now", ()),
    ("changes", "Changes", ()),
    ("calendar", "Calendar", ("/windows/", "/freezes/", "/notices/")),
    ("topology", "Topology", ()),
    ("audit", "Audit", ()),
    ("policies", "Rules", ("/standard-changes/", "/break-glass/")),
    ("endpoints", "Outward", ("/tickets/",)),
    ("inventory-devices", "Inventory", ("/inventory/",)),
)
WITHIN = {
    "calendar": (
        ("calendar", "Calendar"),
        ("windows", "Windows and freezes"),
        ("windows-import", "Calendar files"),
        ("notices", "Notices"),
    ),
    "account": (
        ("account", "Account"),
        ("mfa_index", "Second factor"),
        ("account_change_password", "Password"),
        ("tokens", "Tokens"),
    ),
    "rules": (("policies", "Policies"), ("standards", "Standard changes"), ("break-glasses", "Break-glass")),
    "outward": (("endpoints", "Webhooks"), ("dead-letters", "Dead letters"), ("tickets", "Tickets")),
}


def _row(path: str, shown: list[tuple[str, tuple[str, ...], str]]) -> SafeString:
    """Links; the one whose path is the longest beginning of this page's is where the reader is."""
    fits = [max((len(p) for p in (href, *more) if _inside(path, p)), default=0) for href, more, _ in shown]
    best = max(fits, default=0)
    cells = [
        (href, format_html(' aria-current="{}"', "page") if best and fit == best else "", title)
        for (href, _, title), fit in zip(shown, fits, strict=True)
    ]
    return format_html_join("", '<a href="{}"{}>{}</a>', cells)


def _inside(path: str, place: str) -> bool:
    return path == place if place == "/" else path.startswith(place)


@register.simple_tag(takes_context=True)
def soon(context: template.Context, instant: datetime) -> SafeString:
    """When, within some days: "today 23:00", "Sun 01:00", "Sun 29 Nov 01:00". UTC."""
    days = (instant.date() - context["now"].date()).days
    day = "today" if days == 0 else f"{instant:%a}" if 0 < days < 7 else f"{instant:%a %d %b}"
    full = f"{instant:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}">{} {}</time>', instant.isoformat(), full, day, f"{instant:%H:%M}"
    )


@register.simple_tag(takes_context=True)
def main_rooms(context: template.Context) -> SafeString:
    """The rooms of the house."""
    request = context.get("request")
    return _row(request.path if request else "", [(reverse(name), more, title) for name, title, more in ROOMS])


@register.simple_tag(takes_context=True)
def pages_within(context: template.Context, room: str) -> SafeString:
    """The pages within a room."""
    return _row(context["request"].path, [(reverse(name), (), title) for name, title in WITHIN[room]])
