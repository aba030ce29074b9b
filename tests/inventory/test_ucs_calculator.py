"""The calculator of adapter policies: figures with their reasons, the words of the story, nonsense in the address."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from inventory import models
from inventory.views.ucs_calculator import _asked, _findings, _wanted

pytestmark = pytest.mark.django_db
PAGE = "inventory-ucs-calculator"
KEYS = ["receive", "transmit", "completion", "interrupts", "vnics", "cpus", "policy", "kernel", "version", "adapter"]


def shown(client: Client, reader: User, **asked: object) -> str:
    client.force_login(reader)
    answer = client.get(reverse(PAGE), {k: str(v) for k, v in asked.items()})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_eight_queues_and_what_follows_from_them(client: Client, reader: User) -> None:
    page = shown(client, reader, receive=8, adapter="VIC 1240", vnics=2, kernel="6.1.0-18-amd64", cpus=40)
    for words in (
        "8 receive + 8 transmit", "16 completion queues + 2", "2 vNICs x 16",
        "the policy offers them", "These counts fit each other and the adapter",
    ):  # fmt: skip
        assert words in page


def test_256_queues_are_refused_in_the_words_of_the_story(client: Client, reader: User) -> None:
    page = shown(client, reader, receive=256, adapter="M81KR", vnics=2, version="4.2(3d)")
    assert "A plan with this would be stopped" in page
    assert "Out of CQ resources" in page and "vnicEthCreate failed" in page


def test_counts_that_do_not_fit_and_rss_off_are_named(client: Client, reader: User) -> None:
    page = shown(client, reader, receive=8, completion=8, interrupts=10, rss="off", adapter="VIC 1240")
    for words in ("set comp-queue count 16", "rss receivesidescaling enabled"):
        assert words in page


def test_the_difference_to_a_policy_is_what_would_be_typed(client: Client, reader: User, author: User) -> None:
    from tests.changes import builders

    (router,) = builders.fleet(["cache1"])
    domain = models.UcsDomain.objects.create(
        name="ucs1", site=router.site, address="192.0.2.9", credential=router.credential
    )
    policy = models.AdapterPolicy.objects.create(domain=domain, dn="org-root/eth-profile-default", name="default")
    page = shown(client, reader, receive=8, policy=policy.pk)
    assert "enter eth-policy default" in page and "set interrupt count 18" in page and "commit-buffer" in page
    models.AdapterPolicy.objects.update(rx_queues=8, tx_queues=8, completion_queues=16, interrupts=18, rss=True)
    assert "It has these counts already" in shown(client, reader, receive=8, policy=policy.pk)


def test_an_adapter_that_is_not_known_is_said_to_be_so(client: Client, reader: User) -> None:
    page = shown(client, reader, receive=16, adapter="VIC 9999")
    assert "not known" in page and "look at the canary" in page


def test_nobody_without_a_login(client: Client) -> None:
    assert client.get(reverse(PAGE)).status_code == 302


@given(st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_whatever_stands_in_the_address_is_a_figure_or_nothing(given_: dict[str, str]) -> None:
    asked = _asked(given_)
    assert 1 <= asked.receive <= 2000 and 1 <= asked.vnics <= 256
    policy = _wanted(asked, None)
    fits = policy.completion == policy.receive + policy.transmit
    stopped = {f.code for f in _findings(asked, policy, {})}
    assert fits or "ucs-completion" in stopped, "counts are legal or refused"
