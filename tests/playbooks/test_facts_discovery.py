"""Firmware texts of real cards, tables, devlink, what only root may read, and answers that mean harm."""

import json
from typing import Any

import pytest

from playbooks.base import Answer
from playbooks.facts import commands, parse, parse_linux, parse_machine, parse_nic


@pytest.mark.parametrize(
    ("driver", "text", "nvm", "rom"),
    [
        ("i40e", "6.02 0x800039d1 1.1691.0", "6.02", "1.1691.0"),  # XXV710, before and after flashing
        ("i40e", "9.57 0x800103a8 1.1691.0", "9.57", "1.1691.0"),
        ("i40e", "8.00 0x80008b82", "8.00", None),
        ("ice", "4.60 0x8001e8e4 1.3653.0", "4.60", "1.3653.0"),
        ("ixgbe", "0x800006da, 1.949.0", "0x800006da", "1.949.0"),
        ("ixgbe", "0x61c10001", "0x61c10001", None),
        ("ixgbe", "3.60 0x8000aea2 1.3363.0", "3.60", "1.3363.0"),
        ("igb", "3.25, 0x80000681, 1.949.0", "3.25", "1.949.0"),
        ("igb", "1.63, 0x800009fa", "1.63", None),
        ("mlx5_core", "16.32.1010 (MT_0000000012)", "16.32.1010", None),
        ("bnxt_en", "214.0.253.1/pkg 214.0.253.1", "214.0.253.1", None),
        ("enic", "4.1(3a)", "4.1(3a)", None),
        ("e1000e", "2.1-0", "2.1-0", None),
        ("i40e", "N/A", None, None),
        ("i40e", "8.0 garbage", None, None),
        ("tg3", "5719-v1.46 NCSI v1.5.1.0", None, None),  # a driver whose form nobody has shown us: the text is kept
    ],
)
def test_firmware_versions_as_drivers_write_them(driver: str, text: str, nvm: str | None, rom: str | None) -> None:
    assert parse_nic.firmware(driver, text) == parse_nic.Firmware(nvm, rom)


TABLE = "\n".join(f"{at:5}: " + "".join(f" {n % 4:5}" for n in range(8)) for at in range(0, 128, 8))
SHOWN = (
    f"RX flow hash indirection table for eno5 with 63 RX ring(s):\n{TABLE}\nRSS hash key:\n{'6d:5a:' * 19}6d:5a\n"
    "RSS hash function:\n    toeplitz: on\n    xor: off\n    crc32: off\n"
)


def test_a_table_of_buckets_and_its_key() -> None:
    found = parse_nic.rss(SHOWN)
    assert found is not None
    assert found["indirection"] == [n % 4 for n in range(128)]
    # More rings than the table uses: a real 82599 with 63.
    assert (found["queues"], found["size"], found["function"]) == (63, 128, "toeplitz")
    assert found["key"] == ":".join(["6d", "5a"] * 20)


def test_a_table_with_a_row_missing_is_not_guessed() -> None:
    lines = SHOWN.splitlines()
    assert parse_nic.rss("\n".join(lines[:3] + lines[4:])) is None
    assert parse_nic.rss(SHOWN.partition("RSS hash key")[0]) is None


def test_an_unknown_field_of_the_hash_makes_it_unknown() -> None:
    head = "UDP over IPV4 flows use these fields for computing Hash flow key:\n"
    assert parse_nic.flow_hash(head + "IP SA\nIP DA\n") == "sd"
    assert parse_nic.flow_hash(head + "IP SA\nGTP TEID\n") is None


DEVLINK = {
    "info": {
        "pci/0000:01:00.0": {
            "driver": "ice",
            "serial_number": "00-01-00-ff-ff-00-00-00",
            "versions": {
                "fixed": {"board.id": "K91258-000"},
                "running": {"fw.mgmt": "6.1.3", "fw.mgmt.api": "1.7", "fw.undi": "1.3106.0"},
                "stored": {"fw.mgmt": "7.0.1", "fw.undi": "1.3106.0"},
            },
        }
    }
}


def card(*, root: bool, config: str) -> dict[str, Any]:
    """Facts of a machine with one ice port."""
    sysfs = "address 02:00:00:00:00:01\nmtu 1500\noperstate up\nmodule ice\ndriver ice\nvendor 0x8086\ndevice 0x1593\n"
    driver = (
        "driver: ice\nversion: 6.1.0-28-amd64\nfirmware-version: 4.60 0x8001e8e4 1.3653.0\nbus-info: 0000:01:00.0\n"
    )
    answers = {
        "root": Answer(0, "0\n" if root else "1000\n", ""),
        "kernel": Answer(0, "6.1.0-28-amd64\n", ""),
        "driver:eth1": Answer(0, driver, ""),
        "nic:eth1": Answer(0, sysfs + config, ""),
    }
    return parse.facts(answers, "none")


def test_what_devlink_knows_goes_to_the_card_on_that_bus() -> None:
    found = parse_machine.devlink(json.dumps(DEVLINK))
    assert found is not None and found["0000:01:00.0"]["api"] == "1.7"
    answers = {
        "devlink": Answer(0, json.dumps(DEVLINK), ""),
        "driver:eth1": Answer(0, "driver: ice\nversion: 1\nfirmware-version: \nbus-info: 0000:01:00.0\n", ""),
        "nic:eth1": Answer(0, "address 02:00:00:00:00:01\n", ""),
    }
    nic: Any = parse.facts(answers, "none")["interfaces"]["eth1"]["nic"]  # type: ignore[call-overload, index]
    assert (nic["serial"], nic["api"]) == ("00-01-00-ff-ff-00-00-00", "1.7")
    assert nic["stored"] == {"fw.mgmt": "7.0.1"}  # flashed, and not active before a reset


def test_the_driver_s_own_message_tells_the_api_of_older_kernels() -> None:
    line = "[    2.1] i40e 0000:01:00.0: fw 8.13.63341 api 1.12 nvm 8.00 0x80008b82 1.2839.0 [8086:1572] [8086:0001]\n"
    assert parse_machine.driver_log(line * 2) == {"0000:01:00.0": "1.12"}


def test_what_only_root_may_read_is_unknown_and_not_absent() -> None:
    user = card(root=False, config="config unreadable\n")
    assert user["interfaces"]["eth1"]["nic"]["serial"] is None
    assert user["unknown"]["serial:eth1"] == "needs root"
    silent = card(root=True, config="")  # a card without that capability: root has looked, there is none
    assert silent["interfaces"]["eth1"]["nic"]["serial"] is None and "serial:eth1" not in silent["unknown"]
    known = card(root=True, config="serial 3ca0caff03ff0100\n")
    assert known["interfaces"]["eth1"]["nic"]["serial"] == "3c-a0-ca-ff-03-ff-01-00"
    unset = card(root=True, config="serial ffffffffffffffff\n")
    assert unset["interfaces"]["eth1"]["nic"]["serial"] is None


def test_addresses_of_an_ip_without_json() -> None:
    shown = (
        "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
        "4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever\n"
        "4: eth0    inet6 2001:db8::2/64 scope global flags 02 \\       valid_lft forever\n"
        "5: eth0.7@eth0    inet6 fe80::1/64 scope link \\       valid_lft forever\n"
    )
    assert parse_linux.addresses_text(shown) == {"lo": [], "eth0": ["192.0.2.2/24", "2001:db8::2/64"], "eth0.7": []}


def test_secrets_on_the_kernel_s_command_line_are_taken_out() -> None:
    line = "root=/dev/sda1 ip=dhcp rd.iscsi.password=S3cret isolcpus=2-5 boot_token=S3cret keymap=de\n"
    assert parse_machine.cmdline(line) == (
        "root=/dev/sda1 ip=dhcp rd.iscsi.password=(redacted) isolcpus=2-5 boot_token=(redacted) keymap=de"
    )


@pytest.mark.parametrize("listed", ["0-3,8", "", "5"])
def test_lists_of_cpus(listed: str) -> None:
    assert parse_machine.cpu_list(listed) == {"0-3,8": [0, 1, 2, 3, 8], "": [], "5": [5]}[listed]


@pytest.mark.parametrize("listed", ["0-", "a", "0-99999999", "0-60000", "1,,2", "0-31:2/4"])
def test_lists_of_cpus_that_are_none(listed: str) -> None:
    assert parse_machine.cpu_list(listed) is None


MEGABYTE = 1_000_000
HARM = {
    "a megabyte on one line": "x" * MEGABYTE,
    "a megabyte of blanks": " " * MEGABYTE,
    "a megabyte of colons": "a: " * (MEGABYTE // 3),
    "a megabyte of brackets": "[" * MEGABYTE,
    "a megabyte of digits": "9" * MEGABYTE,
    "a megabyte of passwords": "password " * (MEGABYTE // 9),
    "a megabyte of marks": "@ rss\n@ = 0\n" * (MEGABYTE // 12),
    "control characters": "\x00\x1b[31m\x07\r\n\x9b\u202e{]}\x1b]0;title\x07" * 50,
    "German": "Treiber: i40e\nVersion: 2.8\nPerm. Adresse: nicht gesetzt\ncat: Datei oder Verzeichnis nicht gefunden\n",
    "Russian": "cat: /proc/modules: Нет такого файла или каталога\n",
    "nothing": "",
    "one blank": " ",
    "surrogates": "\ud800\udfff" * 10,
}


@pytest.mark.parametrize(("harm", "suite"), [*((harm, "frr") for harm in HARM), ("control characters", "bird")])
def test_answers_that_mean_harm_are_unknown_and_their_text_is_kept_short(harm: str, suite: str) -> None:
    names = [*commands.facts(suite), *(f"{name}:eth0" for name in commands.FACTS_PER_INTERFACE)]
    answers = {name: Answer(0, HARM[harm], "") for name in names}
    made: Any = parse.facts(answers, suite)
    text = json.dumps(made)
    assert made["interfaces"] is None and made["cpu"] is None and made["packages"] is None and made["modules"] is None
    assert made["booted_at"] is None and made["root"] is None and made["routing"]["daemon_list"] is None
    assert all(len(said) <= 160 for said in made["unknown"].values())
    # A configuration may be of any size, and is kept whole; everything else is short.
    kept = sum(len(str(made["routing"][name] or "")) for name in ("running_config", "saved_config"))
    assert len(text) <= 12 * kept + 20_000
