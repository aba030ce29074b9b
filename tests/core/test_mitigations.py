"""Mitigations: which stand, which have passed their date, and what takes one back."""

from datetime import date

from fleet.core.mitigations import Applied, findings, standing

GRO = {
    "interface": "eth1",
    "offloads": {"gro": False, "lro": False},
    "because": "crash of 31 Dec",
    "until": "2027-01-31",
}


def test_it_stands_until_its_date_and_that_day_included() -> None:
    (one,) = standing([Applied("bly", 7, "nic", GRO)])
    assert (one.what, one.until, one.change) == ("eth1: offloads gro, offloads lro", date(2027, 1, 31), 7)
    assert not one.expired(date(2027, 1, 31)) and one.expired(date(2027, 2, 1))
    (found,) = findings([one], date(2027, 2, 1))
    assert found.code == "mitigation-expired" and "crash of 31 Dec" in str(found.reason)
    assert "change 7" in found.reason.remedy
    assert findings([one], date(2027, 1, 31)) == ()


def test_the_last_step_that_set_a_setting_decides() -> None:
    first = Applied("bly", 7, "nic", GRO)
    one_back = Applied("bly", 8, "nic", {"interface": "eth1", "offloads": {"gro": True}})
    first = Applied("bly", 7, "nic", {**GRO, "confirm": "90s"})  # no setting: how it was made
    both_back = Applied("bly", 9, "nic", {"interface": "eth1", "offloads": {"gro": True, "lro": True}})
    later = Applied("bly", 10, "nic", {**GRO, "until": "2027-06-30"})
    assert len(standing([first, one_back])) == 1, "lro is still off"
    assert standing([first, both_back]) == ()
    (anew,) = standing([first, later])
    assert anew.change == 10
    assert len(standing([first, Applied("aebi", 7, "nic", GRO)])) == 2
    other_card = Applied("bly", 8, "nic", {"interface": "eth2", "offloads": {"gro": True, "lro": True}})
    assert len(standing([first, other_card])) == 1


def test_what_is_no_date_is_no_mitigation() -> None:
    assert standing([Applied("bly", 1, "nic", {"queues": 4}), Applied("bly", 1, "nic", {**GRO, "until": "soon"})]) == ()
