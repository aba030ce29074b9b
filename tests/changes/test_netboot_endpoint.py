"""The boot endpoint: who gets which script, once, how often, and nothing else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from fleet import clock
from fleet.netboot import serving
from fleet.netboot.models import BootHost, BootNetwork, BootTarget
from fleet.netboot.script import TRIAL_ARGS
from fleet.netboot.store import Store
from inventory.models import Router
from tests.changes import builders

pytestmark = pytest.mark.django_db
MAC, UUID = "52:54:00:12:34:56", "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def targets() -> dict[str, BootTarget]:
    made = {}
    for name in ("old", "new"):
        made[name] = BootTarget.objects.create(
            name=name, release=f"6.1.0-{name}", kernel=f"{name}/vmlinuz", kernel_sha256="ab" * 32,
            initrd=f"{name}/initrd.img", initrd_sha256="cd" * 32, cmdline="console=ttyS0 panic=30",
        )  # fmt: skip
    return made


@pytest.fixture
def token() -> str:
    network = BootNetwork(name="oob")
    token = network.new_token()
    network.save()
    return token


@pytest.fixture
def host(targets: dict[str, BootTarget], token: str) -> BootHost:
    builders.fleet(["bly"])
    router = Router.objects.get()
    return BootHost.objects.create(
        router=router, network=BootNetwork.objects.get(), mac=MAC.upper(), default=targets["old"]
    )


def asked(client: Client, token: str, **query: str) -> tuple[int, str]:
    answer = client.get(f"/boot/{token}/host.ipxe", {"mac": MAC, **query})
    return answer.status_code, answer.content.decode()


def test_a_host_gets_the_trial_once_and_then_its_default(client: Client, token: str, host: BootHost) -> None:
    name = host.router.name
    assert (
        "chain host.ipxe?mac=${netX/mac:hexhyp}&uuid=${uuid}"
        in client.get(f"/boot/{token}/start.ipxe").content.decode()
    )
    status, text = asked(client, token)
    assert status == 200 and text.startswith("#!ipxe\n") and f"{name} boots old" in text
    assert (
        f"kernel files/{host.default_id}/kernel?mac=${{netX/mac:hexhyp}} initrd=initrd console=ttyS0 panic=30" in text
    )
    store = Store()
    assert store.arm(name, "new") is None
    once = asked(client, token)[1]
    assert "boots new once" in once and f"initrd=initrd {TRIAL_ARGS} console=ttyS0 panic=30 ||" in once
    state = store.read(name)
    assert state is not None and (state.default, state.once, state.trial) == ("old", "", "new")
    again = asked(client, token)[1]
    assert "boots old" in again and "slipway.trial" not in again, "whatever became of it, the next boot is the old one"
    assert store.keep(name, "new") is None
    assert "boots new" in asked(client, token)[1] and "once" not in asked(client, token)[1]
    state = store.read(name)
    assert state is not None and (state.default, state.trial) == ("new", "")


def test_only_one_question_is_given_the_trial(host: BootHost, targets: dict[str, BootTarget]) -> None:
    BootHost.objects.update(once=targets["new"])
    twice = [BootHost.objects.select_related("router", "default", "once").get() for _ in range(2)]
    served = [serving.serve(row, clock.now()) for row in twice]
    assert [(s.target.name, s.once) for s in served] == [("new", True), ("old", False)]


@pytest.mark.parametrize(
    ("token_", "query"),
    [("wrong" * 6, {}), ("", {}), (None, {"mac": "52:54:00:00:00:01"}), (None, {"mac": ""}), (None, {"mac": "x" * 500}),
     (None, {"uuid": "99999999-2222-3333-4444-555555555555"}), (None, {"mac": "' OR 1=1 --"})],
)  # fmt: skip
def test_anybody_else_gets_nothing_and_always_the_same(
    client: Client, token: str, host: BootHost, token_: str | None, query: dict[str, str]
) -> None:
    BootHost.objects.update(uuid=UUID)
    status, text = asked(client, token if token_ is None else token_ or "-", **{"uuid": UUID, **query})
    assert status == 404 and "kernel" not in text and host.router.name not in text
    assert asked(client, token, mac=MAC.replace(":", "-"), uuid=UUID.upper())[0] == 200


def test_asking_too_often_is_refused_for_a_minute(
    client: Client, token: str, host: BootHost, targets: dict[str, BootTarget], django_assert_max_num_queries: Any
) -> None:
    codes = [asked(client, token)[0] for _ in range(serving.MOST_IN_A_MINUTE + 2)]
    assert codes.count(200) == serving.MOST_IN_A_MINUTE and codes[-1] == 429
    BootHost.objects.update(minute=clock.now() - timedelta(seconds=61), once=targets["new"])
    with django_assert_max_num_queries(5):
        assert asked(client, token)[0] == 200


def test_files_are_served_to_hosts_that_boot_them_and_never_from_elsewhere(
    client: Client, token: str, host: BootHost, targets: dict[str, BootTarget], settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "boot" / "old").mkdir(parents=True)
    (tmp_path / "boot" / "old" / "vmlinuz").write_bytes(b"kernel")
    (tmp_path / "secret").write_text("secret")
    settings.SLIPWAY_NETBOOT_DIR = str(tmp_path / "boot")

    def fetched(number: int, what: str, mac: str = MAC, token: str = token) -> tuple[int, bytes]:
        answer = client.get(f"/boot/{token}/files/{number}/{what}", {"mac": mac})
        return answer.status_code, b"".join(answer) if answer.streaming else answer.content

    assert fetched(host.default_id, "kernel") == (200, b"kernel")
    assert fetched(host.default_id, "initrd")[0] == 404, "not there"
    assert fetched(targets["new"].pk, "kernel")[0] == 404, "not what this host boots"
    assert fetched(host.default_id, "kernel", mac="52:54:00:00:00:01")[0] == 404
    assert fetched(host.default_id, "kernel", token="other" * 5)[0] == 404
    BootTarget.objects.filter(pk=host.default_id).update(kernel="../secret")
    assert fetched(host.default_id, "kernel")[0] == 404
    (tmp_path / "boot" / "link").symlink_to(tmp_path / "secret")
    BootTarget.objects.filter(pk=host.default_id).update(kernel="link")
    assert fetched(host.default_id, "kernel")[0] == 404
    settings.SLIPWAY_NETBOOT_DIR = ""
    assert fetched(host.default_id, "kernel")[0] == 404


@pytest.mark.parametrize("cmdline", ["x ${net0/mac}", "a || shell", 'b "c"', "d\nshell", "e; f"])
def test_a_command_line_that_would_say_more_to_ipxe_is_refused(cmdline: str, targets: dict[str, BootTarget]) -> None:
    targets["old"].cmdline = cmdline
    with pytest.raises(ValidationError):
        targets["old"].full_clean()


def test_the_command_prints_what_dhcp_must_say_and_the_token_once(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("netboot", "oob", address="http://[2001:db8::69]:8000", prefix="2001:db8:1::/64", interface="vlan1")
    text = capsys.readouterr().out
    token = text.partition("/boot/")[2].partition("/")[0]
    assert serving.hash_of(token) == BootNetwork.objects.get().token_hash
    wanted = ("ra-stateless", "bootfile-url code 59", "other config yes", '"bootfile-url"', "AdvOtherConfigFlag on")
    for words in wanted:
        assert words in text
    call_command("netboot", "--watch")
    assert "ConditionKernelCommandLine=slipway.trial" in capsys.readouterr().out
    call_command("netboot", "--list")
