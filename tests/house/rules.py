"""Rules that no linter has, checked over the syntax tree: who assigns a state, and what core may call.

Each function takes source text and returns what it found as `line: words`; test_gates.py runs them over the tree and
over bad examples.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE_OWNER = ROOT / "fleet" / "changes" / "transitions"
# Built-in functions that reach the world without an import.
_IMPURE = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file of the folders but migrations, which Django writes."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def state_assignments(source: str) -> list[str]:
    """Where a `state` is assigned: attributes, setattr, QuerySet.update, bulk_update, save(update_fields=), SQL.

    A class attribute (the model field) and a keyword of a constructor (a new row's first state) are not assignments.
    """
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        found.extend(f"{node.lineno}: {words}" for words in _assigned(node))  # type: ignore[attr-defined]
    return found


def _assigned(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Assign(targets=targets):
            yield from _targets(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=ast.Attribute() as target):
            yield from _targets([target])
        case ast.NamedExpr() | ast.For() | ast.With():
            yield from _targets(
                [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
            )
        case ast.Call():
            yield from _called(node)
        case ast.Constant(value=str(text)) if "update " in text.lower() and "set state" in text.lower():
            yield "SQL that sets state"


def _targets(targets: list[ast.expr]) -> Iterator[str]:
    for target in targets:
        match target:
            case ast.Attribute(attr="state"):
                yield ".state assigned"
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                yield from _targets(elements)
            case ast.Starred(value=value):
                yield from _targets([value])


def _called(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    texts = {n.value for a in call.args for n in ast.walk(a) if isinstance(n, ast.Constant)}
    keywords = {k.arg: k.value for k in call.keywords}
    match name:
        case "setattr" if "state" in texts:
            yield "setattr of state"
        case "update" | "update_or_create" | "aupdate":
            if "state" in keywords or any(_has_state_key(k.value) for k in call.keywords):
                yield f"{name}(state=...)"
            elif name != "update_or_create" and isinstance(keywords.get(None), ast.Name | ast.Attribute):
                yield f"{name}(**values): cannot be seen whether state is among them"
        case "bulk_update" if "state" in texts | _constants(keywords.get("fields")):
            yield "bulk_update of state"
        case "save" | "asave" if "state" in _constants(keywords.get("update_fields")):
            yield "save of state"


def _constants(node: ast.AST | None) -> set[object]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)} if node else set()


def _has_state_key(node: ast.AST) -> bool:
    return any(
        isinstance(n, ast.Dict) and any(isinstance(k, ast.Constant) and k.value == "state" for k in n.keys)
        for n in ast.walk(node)
    )


def hidden_clocks(source: str) -> list[str]:
    """Model fields that read the clock by themselves."""
    return [
        f"{node.value.lineno}: {node.arg}=True reads the clock"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg in {"auto_now", "auto_now_add"}
    ]


def impure_calls(source: str) -> list[str]:
    """Calls in core of built-in functions that reach the world."""
    return [
        f"{node.lineno}: {node.func.id}()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _IMPURE
    ]
