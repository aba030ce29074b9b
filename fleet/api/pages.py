"""The page of tokens: one's own, and those of the service accounts that one answers for."""

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from fleet import clock
from fleet.api import tokens
from fleet.api.models import ApiToken
from fleet.api.scopes import SCOPE_WORDS, Scope
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import acts, edits, person

# Ended ones are told for a while, so that it can be seen what a program used.
ENDED_SHOWN = 20


class TokenForm(forms.Form):
    """What a token is for."""

    name = forms.CharField(max_length=63, help_text="The program that uses it.")
    holder = forms.ChoiceField(label="Account", help_text="You, or a service account that you answer for.")
    scopes = forms.MultipleChoiceField(
        label="For",
        choices=[(s.value, f"{s.value}: {words}") for s, words in SCOPE_WORDS.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ.value],
    )
    days = forms.IntegerField(label="Works for, in days", initial=tokens.USUAL_DAYS, help_text="1 to 366.")
    networks = forms.CharField(
        required=False, label="Only from", help_text="Prefixes, such as 192.0.2.0/24. Empty: from anywhere."
    )

    def __init__(self, who: User, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **{"label_suffix": "", "initial": {"holder": who.pk}, **more})  # type: ignore[arg-type]  # a form takes any
        holder = self.fields["holder"]
        assert isinstance(holder, forms.ChoiceField)
        holder.choices = [(str(user.pk), user.get_username()) for user in tokens.holders(who)]

    def wanted(self) -> tokens.Wanted:
        """What was asked for. Only when the form is valid."""
        said = self.cleaned_data
        networks = tuple(said["networks"].replace(",", " ").split())
        return tokens.Wanted(said["name"], tuple(said["scopes"]), said["days"], networks)


@edits()
def listed(request: HttpRequest) -> HttpResponse:
    """The tokens, and the form for another; a POST makes it and shows its text this once."""
    who = person(request)
    if request.method != "POST":
        return _page(request, TokenForm(who))
    form = TokenForm(who, request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    holder = User.objects.get(pk=form.cleaned_data["holder"])
    made = tokens.make(form.wanted(), holder=holder, person=who, now=clock.now())
    return _made(request, form, made)


@acts()
def rotate(request: HttpRequest, prefix: str) -> HttpResponse:
    """Another like it; the old one works for a day more."""
    row = _mine(request, prefix)
    return _made(request, TokenForm(person(request)), tokens.rotate(row, person(request), clock.now()))


@acts()
def revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """It works no longer."""
    reasons = tokens.revoke(_mine(request, prefix), clock.now())
    if reasons:
        return _page(request, TokenForm(person(request)), reasons=reasons, status=409)
    messages.success(request, f"Token {prefix} is revoked: it works no longer.")
    return redirect("tokens")


def _mine(request: HttpRequest, prefix: str) -> ApiToken:
    rows = ApiToken.objects.filter(person__in=tokens.holders(person(request)), prefix=prefix)
    row = rows.select_related("person").first()
    if row is None:
        raise Http404(f"There is no token {prefix} of yours.")
    return row


def _made(request: HttpRequest, form: TokenForm, made: tuple[str, ApiToken] | tokens.Reasons) -> HttpResponse:
    match made:
        case (str(text), ApiToken() as row):
            return _page(request, TokenForm(person(request)), text=text, row=row)
        case _:
            reasons = tuple(r for r in made if isinstance(r, Reason))
            return _page(request, form, reasons=reasons, status=409)


def _page(
    request: HttpRequest,
    form: TokenForm,
    *,
    text: str = "",
    row: ApiToken | None = None,
    reasons: tokens.Reasons = (),
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    rows = ApiToken.objects.filter(person__in=tokens.holders(person(request))).select_related("person")
    works = list(rows.usable(now)[: 2 * tokens.MOST_TOKENS])
    context = {
        "now": now,
        "form": form,
        "text": text,
        "made": row,
        "tokens": works,
        "ended": list(rows.exclude(pk__in=[t.pk for t in works])[:ENDED_SHOWN]),
        "refusals": explain.sentences(reasons),
    }
    return render(request, "api/tokens.html", context, status=status)


urlpatterns: list[URLPattern] = [
    path("", listed, name="tokens"),
    path("<str:prefix>/rotate", rotate, name="token-rotate"),
    path("<str:prefix>/revoke", revoke, name="token-revoke"),
]
