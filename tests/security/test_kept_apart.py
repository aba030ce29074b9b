"""Secrets are compared in constant time, containers have no more rights than they need, tools look over the code."""

import ast
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.house import compose, rules

# Words that name what an attacker would guess bit by bit.
SECRET = re.compile(r"(?:^|_)(?:token|secret|signature|password|hmac|mac_of|digest_of_token)(?:$|_)")
# These are compared as names or as what is there at all; no secret is among their values.
FINE = re.compile(r"\b(len|bool|type)\(|token_type|tokens?\.prefix|\.kind\b")


def compared_in_the_open(source: str) -> list[str]:
    """Where == or != stands beside a name of a secret, and something other than a constant on the other side."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Compare) and any(isinstance(o, ast.Eq | ast.NotEq) for o in node.ops)):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant | ast.List | ast.Tuple) for side in sides):
            continue
        names = [s.attr if isinstance(s, ast.Attribute) else s.id if isinstance(s, ast.Name) else "" for s in sides]
        if any(SECRET.search(name) for name in names) and not FINE.search(ast.unparse(node)):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_no_secret_is_compared_in_the_open(record_property: Any) -> None:
    paths = list(rules.sources("fleet", "inventory"))
    wrong = [f"{p.relative_to(rules.ROOT)}:{one}" for p in paths for one in compared_in_the_open(p.read_text())]
    record_property("files", len(paths))
    assert not wrong, f"{wrong}: found ==, wanted hmac.compare_digest"


def test_such_a_comparison_is_found() -> None:
    assert compared_in_the_open("if given == row.token: pass") == ["1: given == row.token"]
    assert compared_in_the_open("if kind == 'token' or compare_digest(a, token): pass") == []


def test_the_image_does_not_run_as_root() -> None:
    lines = (rules.ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["slipway"]
    after = lines[next(n for n, line in enumerate(lines) if line.startswith("USER ")) :]
    assert not any(line.startswith("RUN ") for line in after), "nothing is installed once rights are given up"
    assert any("--uid 10001" in line for line in lines)


@pytest.mark.parametrize("name", [n for n, s in compose.services().items() if "slipway" in str(s.get("image"))])
def test_our_containers_have_no_rights_to_lose(name: str) -> None:
    service = compose.services()[name]
    assert service.get("read_only") is True, "its own file system cannot be written"
    assert service.get("cap_drop") == ["ALL"]
    assert service.get("security_opt") == ["no-new-privileges:true"]
    assert service.get("user") in {None, "10001"}
    assert not service.get("privileged")
    mounts = [str(v) for v in service.get("volumes", [])]
    assert not any("docker.sock" in v for v in mounts)
    assert all(v.endswith(":ro") for v in mounts if "/etc/slipway" in v)


def test_only_the_pages_can_be_reached_from_outside_and_only_on_this_machine() -> None:
    ports = {name: s["ports"] for name, s in compose.services().items() if s.get("ports")}
    assert set(ports) == {"web"}
    assert all("127.0.0.1" in str(p) for p in ports["web"])


def test_no_secret_stands_in_what_is_deployed() -> None:
    for path in (rules.ROOT / "docker-compose.yml", *(rules.ROOT / "deploy").rglob("*.y*ml")):
        for line in path.read_text().splitlines():
            said = re.match(r"\s*(\w*(?:PASSWORD|SECRET|TOKEN)\w*):\s*(\S+)", line)
            assert not said or said[2].startswith("${"), f"{path.name}: {line.strip()}"
    YAML(typ="safe").load(rules.ROOT / "docker-compose.yml")
