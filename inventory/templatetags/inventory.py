"""Template tags of the inventory's pages: its rooms, and the cells of a table."""

from collections.abc import Sequence

from django import template
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from inventory.views.cells import Cell

register = template.Library()

ROOMS = (
    ("inventory-devices", "Devices"),
    ("inventory-drift", "Drift"),
    ("inventory-nics", "NICs"),
    ("inventory-profiles", "Intent"),
    ("inventory-compat", "Compatibility"),
    ("inventory-artifacts", "Software"),
    ("inventory-links", "Links"),
    ("inventory-sites", "Sites"),
    ("inventory-service-profiles", "UCS"),
    ("inventory-consoles", "Access"),
    ("inventory-imports", "Imports"),
)
# Smaller lists that share a room, so that the row of rooms stays readable.
WITHIN = {
    "inventory-profiles": (("inventory-assignments", "Assignments"),),
    "inventory-links": (("inventory-externals", "Externals"), ("inventory-beacons", "Beacons")),
    "inventory-service-profiles": (
        ("inventory-adapter-policies", "Adapter policies"),
        ("inventory-ucs-domains", "UCS domains"),
        ("inventory-ucs-calculator", "Queue calculator"),
    ),
    "inventory-sites": (("inventory-failure-domains", "Failure domains"),),
    "inventory-consoles": (("inventory-credentials", "Credentials"),),
}


def _there(address: str) -> str:
    try:
        return reverse(address)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def rooms(context: template.Context) -> SafeString:
    """The row of rooms; inside one, its smaller lists behind it."""
    path: str = context["request"].path
    shown: list[tuple[str, str, str]] = []
    for address, title in ROOMS:
        family = ((address, title), *WITHIN.get(address, ()))
        inside = any((place := _there(a)) and path.startswith(place) for a, _ in family)
        for a, t in family if inside else family[:1]:
            if place := _there(a):
                shown.append((place, "true" if path.startswith(place) else "false", t))
    return format_html_join("", '<a href="{}" aria-current="{}">{}</a>', shown)


@register.simple_tag(takes_context=True)
def cells(context: template.Context, found: Sequence[Cell]) -> SafeString:
    """The cells of one place of a table. Built here: 1,000 included templates a page took most of its time."""
    return format_html_join("", "{}", ((_cell(context, one),) for one in found))


def _cell(context: template.Context, one: Cell) -> SafeString:
    kinds = f"cell{f' state tone-{one.tone}' if one.tone else ''}{' mono' if one.mono else ''}"
    icon = (
        format_html(
            '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg> ',
            static("icons.svg"),
            one.icon,
        )
        if one.icon
        else ""
    )
    text = format_html("<span>{}</span>", one.text) if one.text else ""
    if one.href:
        text = format_html('<a href="{}">{}</a>', one.href, one.text)
    elif one.struck:
        text = format_html("<s>{}</s>", one.text)
    at = ""
    if one.at is not None:
        today = one.at.date() == context["now"].date()
        shown = f"{one.at:%H:%M:%S}" if today else f"{one.at:%Y-%m-%d %H:%M}"
        at = format_html(
            '<time datetime="{}" title="{} UTC">{}</time>', one.at.isoformat(), f"{one.at:%Y-%m-%d %H:%M:%S}", shown
        )
    soft = format_html(' <span class="soft">{}</span>', one.soft) if one.soft else ""
    return format_html('<div class="{}">{}{}{}{}</div>', kinds, icon, text, at, soft)


@register.filter
def words(text: str) -> list[str]:
    """ "sites roles" as a list."""
    return text.split()


@register.filter
def minus(count: int, shown: Sequence[object]) -> int:
    """How many of `count` are not shown."""
    return count - len(shown)
