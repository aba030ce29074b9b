"""The files of rows and advisories: what is shipped, what a user adds and takes back, and what a wrong one gets."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.compat import Answer, Combination, Confidence, Knowledge, Status, match
from fleet.core.compat_components import running
from inventory.compat import files, page, reading
from tests.inventory.compat_table import DPDK_I40E

SHIPPED = files.of_folders([files.SHIPPED])
ROWS = {row.id: row for row in SHIPPED.rows}
ADVISORIES = {advisory.id: advisory for advisory in SHIPPED.advisories}
OURS = """
defaults: {source: our own soak, confidence: high, status: own}
rows:
  - {id: ours, family: i40e, models: [XL710], flavour: in-tree, kernel: 5.10.*, nvm: 8.00}
withdraw:
  - {id: dpdk-x722-20.11, because: it leaked here as well, withdrawn: 2021-02-01}
  - {id: frr-7.2-rib-fib, because: none of ours is left}
"""


def test_what_is_shipped_is_without_a_fault() -> None:
    assert SHIPPED.wrong == ()
    assert len(SHIPPED.rows) >= 74
    assert all(row.told.source for row in SHIPPED.rows)


def test_the_whole_i40e_table_is_shipped() -> None:
    """Every row of the table, as extracted from the guides, answers for exactly its combination."""
    for family, dpdk, driver, nvm, withdrawn in csv.reader(DPDK_I40E.split("\n")):
        model = "X722" if family == "X722" else "XL710"
        found = Combination("i40e", model, "vendor", driver, "5.4.0", nvm)
        matched = {row.id: row for row, answer in match(SHIPPED, found) if answer is Answer.YES}
        mine = [i for i in matched if i.startswith(f"dpdk-{family.partition('/')[0].lower()}-{dpdk}")]
        assert mine, (family, dpdk, driver, nvm)
        assert (matched[mine[0]].told.status is Status.WITHDRAWN) is bool(withdrawn)


def test_the_row_of_the_story_is_withdrawn_and_says_when() -> None:
    row = ROWS["dpdk-x710-20.11-first"]
    assert (row.told.status, row.told.withdrawn, row.told.until) == (Status.WITHDRAWN, "2021-03-30", "v21.02")
    assert "13489381cc" in row.told.because and "in-tree" in row.last_known_good


@pytest.mark.parametrize(
    ("name", "component", "facts", "answer"),
    [
        ("frr-7.3-ospf6d", "frr", {"version": "7.3", "running_config": "router ospf6\n"}, Answer.YES),
        ("frr-7.3-ospf6d", "frr", {"version": "7.3.1-1", "running_config": "router ospf6\n"}, Answer.YES),
        ("frr-7.3-ospf6d", "frr", {"version": "7.5", "running_config": "router ospf6\n"}, Answer.NO),
        ("frr-7.3-ospf6d", "frr", {"version": "7.3", "running_config": "router bgp 1\n"}, Answer.NO),
        ("frr-7.3-ospf6d", "frr", {"version": "7.3"}, Answer.UNKNOWN),
        ("frr-7.2-rib-fib", "frr", {"version": "7.2.1"}, Answer.YES),
    ],
)
def test_advisories_of_routing_suites(name: str, component: str, facts: dict[str, Any], answer: Answer) -> None:
    device = running("bly", {"routing": {"suite": component, **facts}})
    assert ADVISORIES[name].of(device) is answer


def nic(
    driver: str, version: str, device: str, *, vendor: str = "8086", nvm: str = "4.00", **more: Any
) -> dict[str, Any]:
    pci = {"vendor": vendor, "device": device}
    row = {"driver": driver, "version": version, "firmware": nvm, "bus": "0000:01:00.0", "pci": pci, **more}
    return {"eth0": {"nic": row}}


def test_advisories_of_adapters() -> None:
    x722 = running("a", {"kernel": "4.19.28", "interfaces": nic("i40e", "2.7.6-k", "37d0")})
    xl710 = running("b", {"kernel": "4.19.28", "interfaces": nic("i40e", "2.13.10", "1583", nvm="8.00", api="1.12")})
    enic = running("c", {"kernel": "6.1.0-28-amd64", "interfaces": nic("enic", "6.1.0", "0043", vendor="1137")})
    new = running("d", {"kernel": "6.18.0", "interfaces": nic("enic", "6.18.0", "0043", vendor="1137")})
    assert ADVISORIES["x722-esp-in-udp"].of(x722) is Answer.YES
    assert ADVISORIES["x722-esp-in-udp"].of(xl710) is Answer.NO
    assert ADVISORIES["i40e-2.13.10-slab-leak"].of(xl710) is Answer.YES
    assert ADVISORIES["i40e-2.13.10-slab-leak"].of(x722) is Answer.NO
    assert ADVISORIES["i40e-api-major"].of(xl710) is Answer.NO
    assert ADVISORIES["enic-8-queues"].of(enic) is Answer.YES
    assert ADVISORIES["enic-8-queues"].of(new) is Answer.NO
    assert ADVISORIES["enic-8-queues"].limits == {"rx_queues": 8, "tx_queues": 8}
    assert ADVISORIES["ice-default-queues"].told.confidence is Confidence.LOW


def test_the_ipv6_loopback_under_vpp() -> None:
    facts = {
        "packages": {"vpp": "23.06-rc0~71-g182d2b466"},
        "interfaces": {"loop0": {"addresses": ["2a02:898:0:300::3/128"]}},
        "routing": {
            "suite": "bird",
            "version": "2.0.12",
            "running_config": 'ospf v3 { interface "loop0" { stub yes; } }',
        },
    }
    advisory = ADVISORIES["vpp-loopback-ospf3-stub"]
    assert advisory.of(running("a", facts)) is Answer.YES
    assert advisory.of(running("a", {**facts, "interfaces": {"loop0": {"addresses": ["192.0.2.1/32"]}}})) is Answer.NO
    assert advisory.of(running("a", {**facts, "packages": {}})) is Answer.NO


def test_firmware_ranges_are_read_as_the_nvm_writes_them() -> None:
    advisory = ADVISORIES["i40e-qinq-reset"]
    answers = {
        nvm: advisory.of(running("a", {"kernel": "6.1", "interfaces": nic("i40e", "6.1", "1572", nvm=nvm)}))
        for nvm in ("8.30", "8.40", "9.57")
    }
    assert answers == {"8.30": Answer.NO, "8.40": Answer.YES, "9.57": Answer.YES}


# -- a user's directory


def folder(tmp_path: Path, text: str, name: str = "ours.yaml") -> Knowledge:
    (tmp_path / name).write_text(text)
    return files.of_folders([files.SHIPPED, tmp_path])


def test_a_users_rows_come_beside_and_take_others_back(tmp_path: Path) -> None:
    found = folder(tmp_path, OURS)
    assert found.wrong == ()
    rows = {row.id: row for row in found.rows}
    assert len(rows) == len(ROWS) + 1
    assert (rows["ours"].told.status, rows["ours"].told.place) == (Status.OWN, "ours.yaml:4")
    told = rows["dpdk-x722-20.11"].told
    assert (told.status, told.withdrawn) == (Status.WITHDRAWN, "2021-02-01")
    assert told.because == "it leaked here as well (ours.yaml:6)"
    advisory = {a.id: a for a in found.advisories}["frr-7.2-rib-fib"]
    bly = running("bly", {"routing": {"suite": "frr", "version": "7.2"}})
    assert (advisory.told.status, advisory.of(bly)) == (Status.WITHDRAWN, Answer.NO)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    assert "ours" in {row.id for row in folder(tmp_path, OURS).rows}
    assert "theirs" in {row.id for row in folder(tmp_path, OURS.replace("id: ours", "id: theirs")).rows}


ROW = "family: i40e, source: s, confidence: high"
ADVISORY = "title: t, versions: '*', weight: warn, symptom: s, workaround: w, source: s, confidence: low"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"rows:\n  - {{id: a, {ROW}, drivr: 1}}", "ours.yaml line 2, drivr: found a field"),
        ("rows:\n  - {id: a, family: i40e, confidence: high}", "ours.yaml line 2, source: found nothing"),
        (f"rows:\n  - {{id: a, {ROW},\n     says: maybe}}", "line 3, says: found 'maybe', wanted one of works"),
        (f"rows:\n  - {{id: a, {ROW}, driver: '<'}}", "line 2, driver: found '<'"),
        (f"rows:\n  - {{id: a b, {ROW}}}", "line 2, id: found 'a b'"),
        ("rows: {}", "line 1, rows: found a mapping, wanted a list"),
        ("rows:\n  - oops", "line 2, entry: found text"),
        ("rowz: []", "line 1, rowz: found 'rowz'"),
        ("defaults: {colour: red}", "line 1, colour: found a default 'colour'"),
        ("[]", "line 1, file: found a list"),
        ("rows: [", "file: found"),
        ("withdraw:\n  - {id: dpdk-x722-20.1, because: x}", "found 'dpdk-x722-20.1', wanted an id that exists"),
        (f"rows:\n  - {{id: dpdk-x722-20.11, {ROW}}}", "'dpdk-x722-20.11', taken by i40e.yaml:"),
        (f"advisories:\n  - {{id: a, component: toaster.x, {ADVISORY}}}", "line 2, component: found 'toaster.x'"),
        (
            f"advisories:\n  - {{id: a, component: kernel, {ADVISORY},\n     limits: {{rx: many}}}}",
            "line 3, limits: found",
        ),
    ],
)
def test_a_wrong_entry_is_named_by_line_and_left_out(text: str, wanted: str, tmp_path: Path) -> None:
    found = folder(tmp_path, text)
    assert wanted in "\n".join(str(reason) for reason in found.wrong)
    assert len(found.rows) == len(ROWS)


def test_the_entries_beside_a_wrong_one_count(tmp_path: Path) -> None:
    found = folder(tmp_path, OURS.replace("withdraw:", "  - {id: 'no good', family: i40e}\nwithdraw:"))
    assert len(found.wrong) == 1
    assert "ours" in {row.id for row in found.rows}


def test_a_directory_that_is_not_there_and_a_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    (reason,) = files.of_folders([tmp_path / "nowhere"]).wrong
    assert "no directory 'nowhere'" in reason.found
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (reason,) = files.of_folders([tmp_path]).wrong
    assert reason.subject == "bytes.yaml file"


@given(st.text(max_size=200) | st.text(alphabet="rowsidadvisories:-[]{}, \n'\"*&!", max_size=120))
def test_no_text_makes_it_raise(text: str) -> None:
    sheet = reading.read(text, "x.yaml")
    assert all(problem.found for problem in sheet.problems)


def test_the_page_lists_the_fields_that_are_read() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.page(text) == text, "run python -m inventory.compat.page"
    example = text.partition("every entry of the file.\n\n")[2].partition("\nVersions:")[0]
    sheet = reading.read("\n".join(line.removeprefix("    ") for line in example.splitlines()), "page")
    assert (len(sheet.rows), len(sheet.advisories), len(sheet.withdrawals), sheet.problems) == (1, 1, 1, ())
