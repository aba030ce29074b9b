"""Everything that is written onto a device is rendered here, from the files in templates/device/.

Undefined variables are errors, templates cannot reach into Python, and nothing is escaped: what is rendered is no HTML.
No value may hold a line break or another control character: it stays in the line where the template has put it. In
scripts every value goes through `quoted` and is one word for the shell.
"""

import shlex
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fleet.core.model import Json, Reason
from playbooks.base import Impossible

FOLDER = Path(__file__).parent.parent / "templates" / "device"


def in_one_line(value: object) -> object:
    """The value as it is; ValueError where it would end its line (also by what other programs take for an end)."""
    text = str(value)
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in text):
        raise ValueError(f"found a control character or line break in {text[:80]!r}, wanted one line of text")
    return value


def quoted(value: object) -> str:
    """The value as one word of a POSIX shell."""
    return shlex.quote(str(value))


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=False,
        finalize=in_one_line,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quoted
    return environment


def render(name: str, variables: Mapping[str, Json]) -> str:
    """The text of templates/device/NAME. Raises Impossible where there is no such template or a variable is missing."""
    try:
        return _environment().get_template(name).render(dict(variables))
    except TemplateNotFound as error:
        known = ", ".join(sorted(_environment().list_templates(extensions=["j2"])))
        raise Impossible(Reason(f"template {name}", "no such file in templates/device", f"one of {known}")) from error
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        remedy = "Give every variable that the template uses."
        raise Impossible(Reason(f"template {name}", str(error)[:200], "a template that renders", remedy)) from error
