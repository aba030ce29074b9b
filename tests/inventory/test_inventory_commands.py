"""load_inventory, collect, routers: what they print, in words and as JSON, and when they end with an error."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from fleet.core.model import Reason
from inventory import console, discovery, models
from playbooks.base import Device, Unreachable
from tests.inventory.fleet_file import KEY_2, pods

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.console, "_width", 300)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(pods(4))
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Router -> facts or error, for `collect`."""
    table: dict[str, Any] = {}

    def fake(devices: Sequence[Device], *, workers: int, done: Callable[[str], None]) -> Mapping[str, Any]:
        return {device.name: table[device.name] for device in devices}

    monkeypatch.setattr(discovery.collect, "__kwdefaults__", {**discovery.collect.__kwdefaults__, "reach": fake})
    return table


def facts(kernel: str) -> dict[str, Any]:
    return {"version": 1, "kernel": kernel, "routing": {"version": "8.4.4"}, "interfaces": {"eth0": {}}}


def test_preview_shows_and_writes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_inventory", str(file), "--preview")
    out = capsys.readouterr().out
    assert "would be new" in out and "r0, r1, r2, r3" in out and "preview, nothing written: 20 new" in out
    assert not models.Router.objects.exists()


def test_import_then_nothing_to_do_then_what_changed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_inventory", str(file))
    assert "imported: 20 new, 0 changed, 0 unchanged, 0 missing" in capsys.readouterr().out
    call_command("load_inventory", str(file))
    assert "imported: 0 new, 0 changed, 20 unchanged, 0 missing" in capsys.readouterr().out
    file.write_text(pods(2, KEY_2))
    call_command("load_inventory", str(file), "--accept-new-host-keys")
    out = capsys.readouterr().out
    assert "host key" in out and "SHA256:" in out and "AAAA" not in out
    assert "in the database, not in the file" in out and "r2, r3" in out


def test_every_error_is_printed_with_its_file_and_nothing_is_written(file: Path) -> None:
    file.write_text(pods(2).replace("10G", "10").replace("role: edge", "roll: edge").replace("127.0.0.1", "[::1]"))
    with pytest.raises(CommandError) as caught:
        call_command("load_inventory", str(file))
    lines = str(caught.value).splitlines()
    assert lines[0] == "fleet.yaml: 5 error(s), nothing was written."
    assert len(lines) == 6 and all(line.startswith("fleet.yaml: line ") for line in lines[1:])
    assert not models.Site.objects.exists()


def test_import_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_inventory", str(file), "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["applied"] and len(told["creates"]) == 20 and told["errors"] == []
    file.write_text(pods(4, KEY_2))
    with pytest.raises(CommandError):
        call_command("load_inventory", str(file), "--json")
    told = json.loads(capsys.readouterr().out)
    assert not told["applied"] and len(told["errors"]) == 4 and told["errors"][0]["line"] > 1


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match="wanted"):
        call_command("load_inventory", str(path))


def test_collect_prints_a_table_and_ends_with_the_failures(
    fleet: Callable[[int], None], answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(2)
    answers |= {"r0": facts("6.1.0-13"), "r1": Unreachable(Reason("r1", "no answer", "an SSH server", "Look."))}
    with pytest.raises(CommandError) as caught:
        call_command("collect", "--all")
    out = capsys.readouterr().out
    assert "6.1.0-13" in out and "8.4.4" in out
    assert "1 of 2 routers" in str(caught.value) and "r1: found no answer, wanted an SSH server. Look." in str(
        caught.value
    )


def test_collect_as_json(
    fleet: Callable[[int], None], answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(2)
    answers["r0"] = facts("6.1.0-13")
    call_command("collect", "r0", "r0", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["collected"]["r0"]["kernel"] == "6.1.0-13" and told["failures"] == []
    with pytest.raises(CommandError):
        call_command("collect", "r9", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["failures"][0]["router"] == "r9" and told["failures"][0]["reason"]["found"] == "no such router"


def test_collect_wants_names_or_all(fleet: Callable[[int], None]) -> None:
    for arguments in ([], ["r0", "--all"]):
        with pytest.raises(CommandError, match="wanted one of the two"):
            call_command("collect", *arguments)


def test_routers_with_what_was_last_seen(
    fleet: Callable[[int], None], answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(4)
    answers["r0"] = facts("6.1.0-13")
    call_command("collect", "r0")
    capsys.readouterr()
    call_command("routers")
    out = capsys.readouterr().out
    assert "6.1.0-13" in out and "0 min ago" in out and "never" in out and "4 router(s)" in out
    call_command("routers", "--site", "N", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["r0", "r2"]
    assert rows[0]["suite_version"] == "8.4.4" and rows[1]["last_seen"] is None


def test_what_devices_say_does_not_steer_the_terminal(
    fleet: Callable[[int], None], answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(2)
    answers["r0"] = facts("6.1\x1b[2J[bold red]x[/]")
    call_command("collect", "r0")
    out = capsys.readouterr().out
    assert "\x1b[2J" not in out and "[bold red]x[/]" in out
