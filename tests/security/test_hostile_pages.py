"""Every text in the database is hostile, and every page still holds nothing but our own markup.

The list of pages is made from the URL configuration, the list of texts from the models: a new page and a new column
are tried by themselves.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client

from fleet import clock
from tests.browser import addresses, scenes

# Breaks out of text, of attributes in either quote, of comments and of scripts; then what terminals and people read.
EVIL = "'\"`--></title></script></textarea><xssmark onload=alert(1)>{{7*7}}{%x%}\x1b[31m\u202eevil"
OURS = ("changes", "inventory", "people", "outward", "notices", "api")
# What is no text of a device or a person: it names a row, a rule of the code, or an instant, and is compared.
KEYS = re.compile(
    r"^(name|slug|verb|phase|kind|recipe|recipe_digest|digest|hash|zone|rrule|recurrence|timezone|address|host|url|"
    r"secret|reference|prefix|token|key|key_type|system|scheme|state|suite|platform|mac|setting|router_id|number|"
    r"pci_address|model_key|username|password|protocol|product)$"
)
# The engine's own documents: digests and drawings are made of them, and a device does not write them.
DOCUMENTS = {"plan", "planned", "strategy", "bounds", "inputs", "schedule", "conditions", "columns", "query", "roles"}


class Markup(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.marks = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.marks += sum("xssmark" in (value or "") for value in values.values())
        if tag == "xssmark":
            self.wrong.append("a tag of the attacker")
        if tag == "script" and not (values.get("src") or "").startswith("/static/") and "json" not in str(values):
            self.wrong.append(f"script {values}")
        self.wrong += [f"{tag} {name}" for name, _ in attrs if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction", "hx-get", "hx-post"):
            shown = tag in {"link", "img"} and (values.get(name) or "").startswith(("data:,", "data:image/"))  # ours
            if re.match(r"\s*(javascript|data|vbscript):", values.get(name) or "", re.IGNORECASE) and not shown:
                self.wrong.append(f"{tag} {name}={values[name]!r}")

    def handle_data(self, data: str) -> None:
        self.marks += data.count("xssmark")


def texts(model: type[models.Model]) -> "Iterator[models.Field[Any, Any]]":
    for field in model._meta.concrete_fields:
        plain = isinstance(field, models.CharField | models.TextField) and not field.choices
        if (plain or isinstance(field, models.JSONField)) and not (field.unique or KEYS.match(field.name)):
            yield field


def poisoned(value: Any) -> Any:
    """JSON with the same shape in which every text ends in what is hostile."""
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, list):
        return [poisoned(one) for one in value]
    return {k: poisoned(v) for k, v in value.items()} if isinstance(value, dict) else value


def poison() -> int:
    """Write what is hostile into every text column of every row; how many columns."""
    count = 0
    for model in (m for label in OURS if apps.is_installed(f"fleet.{label}") or label == "inventory"
                  for m in apps.get_app_config(label).get_models()):  # fmt: skip
        fields = [f for f in texts(model) if f.name not in DOCUMENTS]
        for row in model._default_manager.all():
            values: dict[str, Any] = {}
            for field in fields:
                value = getattr(row, field.attname)
                room = getattr(field, "max_length", None)
                if isinstance(field, models.JSONField):
                    values[field.name] = poisoned(value)
                elif value:
                    values[field.name] = (value + EVIL)[:room] if room is None or room > 80 else value
            if values:
                model._base_manager.filter(pk=row.pk).update(**values)
        count += len(fields)
    return count


def allow_updates() -> None:
    """Whoever owns the database can do this; the chain of events would say so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_no_update'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


@pytest.mark.sqlite
@pytest.mark.timeout(600)
@pytest.mark.django_db
def test_no_text_becomes_markup_on_any_page(client: Client, record_property: Any) -> None:
    scenes.everything(clock.now())
    allow_updates()
    columns = poison()
    client.force_login(User.objects.create_superuser("judge"))
    client.raise_request_exception = False
    wrong, pages, marked, marks = [], 0, 0, 0
    for paths in addresses.paths().values():
        for path in paths:
            answer = client.get(path)
            if answer.status_code >= 500:
                wrong.append(f"{path}: status {answer.status_code}")
            if "html" not in answer.headers.get("content-type", "") or answer.streaming:
                continue
            found = Markup(answer.content.decode())
            wrong += [f"{path}: {one}" for one in found.wrong]
            if "script-src 'self'" not in answer.headers.get("content-security-policy", ""):
                wrong.append(f"{path}: no content security policy")
            pages, marked, marks = pages + 1, marked + bool(found.marks), marks + found.marks
    for name, value in {"columns": columns, "pages": pages, "pages with hostile text": marked, "times": marks}.items():
        record_property(name, value)
    assert not wrong, "\n".join(wrong[:40])
    assert marked > 25, f"hostile text on {marked} of {pages} pages: the scene shows too little of it"


@pytest.mark.parametrize("page", ["<p><xssmark>", "<p onload=x>", "<script>x</script>", "<a href=' JavaScript:x'>"])
def test_what_is_wrong_is_found(page: str) -> None:
    assert Markup(page).wrong
