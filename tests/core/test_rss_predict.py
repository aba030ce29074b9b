"""The predictor for millions of flows says the same as core for each of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.rss import Rss, equal_table
from playbooks.nic import predict

KEYS = st.binary(min_size=40, max_size=52)


@settings(max_examples=60, deadline=None)
@given(
    KEYS,
    st.sampled_from([8, 12, 32, 36]).flatmap(
        lambda n: st.lists(st.binary(min_size=n, max_size=n), min_size=1, max_size=40)
    ),
    st.sampled_from([(8, 128), (16, 512), (3, 64)]),
)
def test_same_queues_as_core(key: bytes, inputs: list[bytes], shape: tuple[int, int]) -> None:
    table = equal_table(*shape)
    one_by_one = [Rss(key, table).queue_of(data) for data in inputs]
    assert predict.queues(key, table, predict.pack(inputs)).tolist() == one_by_one


def test_what_cannot_be_packed_or_looked_up_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        predict.pack([b"12345678", b"123456789012"])
    with pytest.raises(ValueError, match="2\\^n"):
        predict.queues(bytes(40), (0, 1, 2), predict.pack([bytes(12)]))
