"""One's own account: what one may do and where, groups, and how one signs in."""

from collections.abc import Mapping

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.guards import person, reads
from fleet.people import rights
from fleet.people.roles import APPROVE, BREAK_GLASS, CALENDAR, DRAFT, EDIT, OPERATE, POLICIES

WORDS: Mapping[str, str] = {
    DRAFT: "draft changes",
    APPROVE: "approve and reject what others wrote",
    OPERATE: "start, schedule, pause, resume, abort, roll back, release",
    BREAK_GLASS: "break the glass in an emergency",
    EDIT: "submit, edit and withdraw what others wrote",
    CALENDAR: "keep windows and freezes",
    POLICIES: "keep approval policies",
}


@reads
def account(request: HttpRequest) -> HttpResponse:
    """What I may do, where, and by which way I sign in."""
    who = person(request)
    kinds = set(Authenticator.objects.filter(user=who).values_list("type", flat=True))
    context = {
        "now": clock.now(),
        "places": rights.places(who),
        "groups": list(who.groups.order_by("name").values_list("name", flat=True)),
        "may": [(right, words, who.has_perm(right)) for right, words in WORDS.items()],
        "everywhere": [right for right in WORDS if rights.holds_everywhere(who, right)],
        "second_factor": Authenticator.Type.TOTP in kinds,
        "codes": Authenticator.Type.RECOVERY_CODES in kinds,
        "by_password": who.has_usable_password(),
    }
    return render(request, "people/account.html", context)
