"""What a kernel said last: read from pstore in parts, from logs and consoles, by time; hostile text never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import last_words, panic

# As in the story S0: a router with Intel's i40e 2.13.10 that ran out of slab (function names of its photograph).
S0 = """\
<4>[37812.113190] i40e: page allocation failure: order:0, mode:0x484020(GFP_ATOMIC|__GFP_COMP)
<4>[37812.113201] Modules linked in: nf_nat_ipv4(E) 8021q(E) i40e(OE) bonding(E)
<4>[37812.113208] CPU: 3 PID: 0 Comm: swapper/3 Tainted: G           OE     5.4.86-amd64-vyos #1
<4>[37812.113211] Call Trace:
<4>[37812.113215]  dump_stack+0x6d/0x8b
<4>[37812.113219]  ? get_page_from_freelist+0x1051/0x1180
<4>[37812.113223]  new_slab+0x2f3/0x3a0
<4>[37812.113230]  nf_nat_ipv4_out+0x5c/0xe0 [nf_nat_ipv4]
<4>[37812.113236]  vlan_dev_hard_start_xmit+0x8d/0x110 [8021q]
<4>[37812.113241]  i40e_napi_poll.isra.0+0x4d2/0xb60 [i40e]
<0>[37812.113300] Kernel panic - not syncing: Out of memory and no killable processes...
"""


def test_headline_functions_and_modules_are_taken_out() -> None:
    found = panic.read(S0)
    assert found is not None
    assert found.headline == "Kernel panic - not syncing: Out of memory and no killable processes..."
    assert found.functions == (
        "get_page_from_freelist", "new_slab", "nf_nat_ipv4_out", "vlan_dev_hard_start_xmit", "i40e_napi_poll",
    )  # fmt: skip
    assert found.modules == ("nf_nat_ipv4", "8021q", "i40e") and "bonding" in found.loaded
    assert "new_slab+0x2f3" in found.text and "37812" not in found.text
    assert panic.of_data(found.data()) == found


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", "Kernel panic"),
        ("[ 9.9] watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:77]\n", "BUG: soft lockup"),
        ("BUG: unable to handle page fault for address: ffff8880\n", "BUG: unable to handle"),
        ("[5] INFO: task systemd:1 blocked for more than 120 seconds.\n", "INFO: task systemd:1 blocked"),
    ],
)
def test_each_way_to_die_has_its_headline(text: str, headline: str) -> None:
    found = panic.read(text)
    assert found is not None and headline in found.headline


@pytest.mark.parametrize("text", ["", "[ 0.0] Linux version 6.1\n[ 1.0] systemd[1]: Started.\n", "panic=30 quiet\n"])
def test_what_is_no_panic_is_none(text: str) -> None:
    assert panic.read(text) is None


def test_a_command_line_is_not_kept() -> None:
    found = panic.read("Kernel command line: root=/dev/x secret=hunter2\nKernel panic - not syncing: x\n")
    assert found is not None and "hunter2" not in found.text


def test_parts_of_pstore_are_put_into_the_order_of_time() -> None:
    parts = ["Panic#1 Part1\nlast line\n", "Panic#1 Part3\nfirst line\n", "Panic#1 Part2\nmiddle\n"]
    assert panic.joined(parts) == "first line\nmiddle\nlast line"


def listing(*rows: tuple[int, str, str]) -> str:
    return "".join(f"\n@@ {when} {path}\n{text}" for when, path, text in rows)


PSTORE = "/sys/fs/pstore/dmesg-efi_pstore-1"


def test_only_what_is_younger_than_the_change_counts() -> None:
    text = listing((10_000, "now", ""), (9_000, PSTORE, S0), (0, "journal", ""))
    found = last_words.read(text, within_s=1_500)
    assert found is not None and (found.source, found.at) == ("pstore", 9_000)
    assert last_words.read(text, within_s=500) is None
    assert last_words.of_data(found.data()) == found


def test_a_panic_goes_before_an_oops_and_the_journal_and_a_console_come_last() -> None:
    oops = "Oops: 0002 [#1] SMP\n"
    rows = [(100, "now", ""), (99, "/var/crash/202101/dmesg.1", oops), (98, PSTORE, S0), (0, "journal", oops)]
    found = last_words.read(listing(*rows), within_s=50)
    assert found is not None and found.source == "pstore"
    journal = last_words.read(listing((100, "now", ""), (0, "journal", oops)), within_s=50)
    assert journal is not None and journal.source == "journal of the boot before"
    seen = last_words.with_console(None, S0)
    assert seen is not None and seen.source == "serial console"
    assert last_words.with_console(found, "") is found


@given(st.text(max_size=500))
def test_no_text_makes_it_raise(text: str) -> None:
    panic.read(text), list(panic.texts(text)), panic.joined([text, text]), last_words.read(text, within_s=1.0)
    panic.read(f"Kernel panic - not syncing: {text}\n"), panic.of_data({"headline": text, "functions": [text]})
