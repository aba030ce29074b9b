"""Whatever stands in a field of the inventory or comes from a device: one word for a shell, one line in a file."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import meta, nodes

from playbooks import device_templates, wire
from playbooks.base import Impossible
from tests.house import rules

HOSTILE = (
    "$(touch x)",
    "`id`",
    "a; rm -rf /",
    "a\nb",
    "-o ProxyCommand=x",
    "'",
    '"',
    "\\",
    "*",
    "~",
    "a b",
    "",
    "\x1b]0;x",
    "$IFS",
)
TEMPLATES = sorted(p.relative_to(device_templates.FOLDER) for p in device_templates.FOLDER.rglob("*.j2"))
SCRIPTS = [t for t in TEMPLATES if t.name.endswith(".sh.j2")]
# The shell has no way to hold it, and no command has it: refused before anything is sent.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)


def seen_by_a_shell(line: str) -> list[str]:
    """The words that a real /bin/sh makes of a line, as a program would get them."""
    done = subprocess.run(["/bin/sh", "-s"], input=f"set -- {line}\n" + 'for a do printf "%s\\0" "$a"; done\n',
                          capture_output=True, text=True, check=True, timeout=20)  # fmt: skip
    return done.stdout.split("\0")[:-1]


@given(st.lists(words, min_size=1, max_size=5))
@example(list(HOSTILE))
def test_a_command_is_the_words_it_was_made_of(argv: list[str]) -> None:
    line = wire.command(argv, root=False, become="")
    assert shlex.split(line) == argv
    if all("\r" not in word for word in argv):  # text mode of this test's pipe; the shell itself keeps them
        assert seen_by_a_shell(line) == argv


@given(words)
@example("x\necho owned")
@example("x\u2028y")
def test_no_value_leaves_its_line_in_any_template(value: str) -> None:
    environment = device_templates._environment()
    template = environment.from_string("before {{ value }} after")
    try:
        text = template.render(value=value)
    except ValueError:
        assert value.splitlines() != [value] or not value.isprintable()
    else:
        assert text.splitlines() == [text]


@pytest.mark.parametrize("name", SCRIPTS, ids=str)
def test_in_scripts_every_value_is_quoted(name: Path) -> None:
    """Read from the template itself: an expression without `quoted` is found, whatever it is called with today."""
    source = (device_templates.FOLDER / name).read_text()
    tree = device_templates._environment().parse(source)
    bare = [
        ast.unparse(ast.parse(repr(node)))[:80]
        for output in tree.find_all(nodes.Output)
        for node in output.nodes
        if not isinstance(node, nodes.TemplateData) and not (isinstance(node, nodes.Filter) and node.name == "quoted")
    ]
    assert not bare, f"{name}: {bare}: found no filter, wanted {{{{ value|quoted }}}}"


@pytest.mark.parametrize("name", SCRIPTS, ids=str)
@pytest.mark.parametrize("hostile", [h for h in HOSTILE if h.isprintable() and h])
def test_scripts_keep_a_hostile_name_one_word(name: Path, hostile: str) -> None:
    """Rendered with a plain word and with the hostile one, a script has the same words but for that one."""
    tree = device_templates._environment().parse((device_templates.FOLDER / name).read_text())
    listed = {loop.iter.name for loop in tree.find_all(nodes.For) if isinstance(loop.iter, nodes.Name)}
    used = meta.find_undeclared_variables(tree)

    def words_with(value: str) -> list[str]:
        text = device_templates.render(str(name), {v: [value] if v in listed else value for v in used})
        return shlex.split(text, comments=True)

    plain = words_with("PLAIN")
    assert [hostile if word == "PLAIN" else word for word in plain] == words_with(hostile)
    assert "PLAIN" in plain or not used


@pytest.mark.parametrize("hostile", [h for h in HOSTILE if not h.isprintable()])
def test_a_line_break_is_refused_in_words(hostile: str) -> None:
    with pytest.raises(Impossible, match="control character or line break"):
        device_templates.render("frr/peer-descriptions.j2", {"asn": hostile, "peers": [], "neighbors": []})


def scripts_after_dash_c(source: str) -> list[str]:
    """What stands after "/bin/sh", "-c" in a list: wanted a constant, with everything else as arguments after it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        values = [e.value if isinstance(e, ast.Constant) else None for e in node.elts]
        if values[:2] == ["/bin/sh", "-c"] and len(node.elts) > 2:
            script = node.elts[2]
            named = isinstance(script, ast.Name) and re.fullmatch(r"_?[A-Z_]+", script.id)
            chosen = isinstance(script, ast.Subscript) and ast.unparse(script.value).isupper()
            if not (named or chosen or isinstance(script, ast.Constant)):
                found.append(f"{node.lineno}: {ast.unparse(script)}")
    return found


def test_no_script_is_put_together_from_values() -> None:
    wrong = [
        f"{path.relative_to(rules.ROOT)}:{one}"
        for path in rules.sources("playbooks", "fleet", "inventory", "custom_napalm")
        for one in scripts_after_dash_c(path.read_text())
    ]
    assert not wrong, f"{wrong}: found a script made of values, wanted a constant and the values after it as arguments"


def test_a_script_made_of_values_is_found() -> None:
    assert scripts_after_dash_c('run(["/bin/sh", "-c", f"echo {name}"])') == ["1: f'echo {name}'"]
    assert scripts_after_dash_c('run(["/bin/sh", "-c", SCRIPT, "x", name])') == []
