"""import_netbox: what it prints, in words and as JSON, and when it ends with an error."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from inventory import console, models
from lab.netbox import Behaviours, NetBoxServer
from tests.inventory.netbox_scene import TOKEN_ENV, everything, ops, row, server

pytestmark = pytest.mark.django_db
__all__ = ["ops", "server"]


@pytest.fixture(autouse=True)
def _wide(ops: models.Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.console, "_width", 300)


def run(server: NetBoxServer, *options: str) -> None:
    call_command("import_netbox", server.url, f"--token-env={TOKEN_ENV}", "--credential=ops", "--suite=frr", *options)


def test_preview_is_what_happens_without_apply(server: NetBoxServer, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ((), ("--preview",)):
        run(server, *options)
        out = capsys.readouterr().out
        assert "would be new" in out and "bly, aebi, dekker" in out
        assert "preview, nothing written: 10 changes (10 new, 0 changed, 0 stale), 0 unchanged, 0 left out" in out
    assert models.Site.objects.count() == 0 and not models.NetboxImport.objects.exists()


def test_apply_and_again(
    server: NetBoxServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_USER", "ann")
    run(server, "--apply")
    assert "imported: 10 changes" in capsys.readouterr().out
    row(server, "dcim/devices", "bly")["tags"] = []
    server.tables.remove("dcim/devices", row(server, "dcim/devices", "dekker"))
    run(server, "--apply")
    out = capsys.readouterr().out
    assert "changed" in out and "canary, ipv6" in out and "marked stale, not deleted" in out
    assert "no longer in NetBox" in out
    run(server, "--apply")
    assert "imported: 0 changes (0 new, 0 changed, 0 stale)" in capsys.readouterr().out
    assert [(i.state, i.asked_by, i.changes > 0) for i in models.NetboxImport.objects.order_by("pk")] == [
        ("applied", "ann", True), ("applied", "ann", True), ("applied", "ann", False),
    ]  # fmt: skip
    assert server.token not in str(list(models.NetboxImport.objects.values()))


def test_wrong_rows(server: NetBoxServer, capsys: pytest.CaptureFixture[str]) -> None:
    row(server, "dcim/devices", "bly")["primary_ip"] = None
    before = everything()
    with pytest.raises(CommandError) as caught:
        run(server, "--apply")
    assert "1 wrong row(s), nothing was written" in str(caught.value)
    assert f"{server.url}/dcim/devices/1/ primary_ip: found nothing, wanted a primary IP address" in str(caught.value)
    assert everything() == before
    capsys.readouterr()
    run(server, "--apply", "--skip-wrong-rows")
    out = capsys.readouterr().out
    assert "left out:" in out and "1 left out" in out and "/dcim/devices/1/ primary_ip" in out
    assert models.Router.objects.count() == 2


def test_json(server: NetBoxServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(server, "--json", "--site=zh4", "--role=edge")
    said = json.loads(capsys.readouterr().out)
    assert (said["applied"], said["changes"], said["filters"]["sites"]) == (False, 3, ["zh4"])
    assert "snapshot" not in said and len(said["digest"]) == 64


def test_a_netbox_that_fails(server: NetBoxServer) -> None:
    server.behaviours = Behaviours(status=500)
    with pytest.raises(CommandError) as caught:
        run(server, "--apply")
    assert "/api/dcim/sites/?limit=500&offset=0: found status 500" in str(caught.value)
    assert str(caught.value).endswith("Nothing was written.")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--credential=nobody",), "--credential: found nobody"),
        (("--platform=linux",), "--platform: found linux"),
        (("--platform==x",), "--platform: found =x"),
        (("--port=0",), "--port: found 0"),
        (("--suite=quagga",), "quagga"),
        (("--apply", "--preview"), "not allowed with"),
    ],
)
def test_options_that_are_wrong(server: NetBoxServer, options: tuple[str, ...], found: str) -> None:
    with pytest.raises(CommandError, match=found):
        run(server, *options)
    assert server.seen == []
