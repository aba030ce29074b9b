"""The Toeplitz hash: Microsoft's published vectors, a bit-by-bit reference, and the queue that follows from it."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.rss import (
    ESP,
    MICROSOFT_KEY,
    TCP,
    UDP,
    Flow,
    KeyRefused,
    Rss,
    equal_table,
    hashed,
    predict,
    read_key,
    toeplitz,
)

# "Verifying the RSS Hash Calculation", all rows: source:port, destination:port, addresses only, addresses and ports.
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF),
]


def flow(source: str, sport: int, destination: str, dport: int, protocol: int = TCP) -> Flow:
    return Flow(ip_address(source).packed, ip_address(destination).packed, protocol, sport, dport)


def reference(key: bytes, data: bytes) -> int:
    """Bit by bit, as the data sheets word it: no tables, nothing shared with the code."""
    result = 0
    key_bits = "".join(f"{b:08b}" for b in key)
    for n, bit in enumerate("".join(f"{b:08b}" for b in data)):
        if bit == "1":
            result ^= int(key_bits[n : n + 32], 2)
    return result


@pytest.mark.parametrize(("source", "sport", "destination", "dport", "addresses", "ports"), VECTORS)
def test_published_vectors(source: str, sport: int, destination: str, dport: int, addresses: int, ports: int) -> None:
    one = flow(source, sport, destination, dport)
    assert toeplitz(MICROSOFT_KEY, hashed(one, "sd") or b"") == addresses
    assert toeplitz(MICROSOFT_KEY, hashed(one, "sdfn") or b"") == ports


def test_direction_matters_but_not_for_a_symmetric_key() -> None:
    there, back = flow(*VECTORS[0][:4]), flow(*VECTORS[0][2:4], *VECTORS[0][:2])
    assert toeplitz(MICROSOFT_KEY, hashed(back, "sdfn") or b"") == 0xFDE799B2
    symmetric = bytes.fromhex("6d5a" * 20)
    assert {toeplitz(symmetric, hashed(f, "sdfn") or b"") for f in (there, back)} == {0x9FCC9FCC}


@settings(max_examples=120, deadline=None)
@given(st.binary(min_size=40, max_size=64), st.binary(max_size=36))
def test_equal_to_bit_by_bit_also_with_longer_keys(key: bytes, data: bytes) -> None:
    assert toeplitz(key, data) == reference(key, data)


def test_of_a_longer_key_only_what_the_input_reaches_is_used() -> None:
    """52 bytes (i40e, ice): the bytes after the 40th reach no input."""
    one = hashed(flow(*VECTORS[7][:4]), "sdfn") or b""
    assert toeplitz(MICROSOFT_KEY + bytes(range(12)), one) == VECTORS[7][5]


def test_a_key_that_is_too_short_is_refused_and_gives_no_queue() -> None:
    with pytest.raises(KeyRefused):
        toeplitz(MICROSOFT_KEY[:39], b"1234")
    assert Rss(b"", equal_table(8), {"udp4": "sdfn"}).queue(flow("1.1.1.1", 1, "2.2.2.2", 2, UDP)) is None


def test_the_packet_of_the_seed() -> None:
    """S1-3: hash 0x4488a47c, bucket 124 of 128 and of 512."""
    one = flow("1.99.99.2", 4500, "1.99.99.1", 4500, UDP)
    assert toeplitz(MICROSOFT_KEY, hashed(one, "sdfn") or b"") == 0x4488A47C
    for size in (128, 512):
        assert Rss(MICROSOFT_KEY, tuple(range(size)), {"udp4": "sdfn"}).queue(one) == 124
    assert Rss(MICROSOFT_KEY, equal_table(8, 512), {"udp4": "sdfn"}).queue(one) == 4


def test_254_peers_spread_evenly_with_and_without_ports() -> None:
    peers = {flow(f"1.99.99.{n}", 4500, "1.99.99.1", 4500, UDP): 1 for n in range(1, 255)}
    with_ports = predict(Rss(MICROSOFT_KEY, equal_table(8), {"udp4": "sdfn"}), peers).packets
    assert list(with_ports.values()) == [32, 32, 32, 32, 31, 32, 32, 31]
    bare = predict(Rss(MICROSOFT_KEY, equal_table(8), {"udp4": "sd"}), peers).packets
    assert list(bare.values()) == [32, 31, 31, 32, 32, 32, 32, 32]


def test_what_is_hashed_depends_on_the_kind_of_flow() -> None:
    rss = Rss(MICROSOFT_KEY, equal_table(8), {"udp4": "sdfn", "esp4": "sd", "tcp4": ""})
    a, b = ip_address("192.0.2.1").packed, ip_address("192.0.2.2").packed
    assert len(rss.input_of(Flow(a, b, UDP, 1, 2)) or b"") == 12
    assert len(rss.input_of(Flow(a, b, UDP, 1, 2, fragment=True)) or b"") == 8
    assert rss.input_of(Flow(a, b, ESP)) == a + b
    assert rss.input_of(Flow(a, b, 47)) == a + b  # GRE: by addresses
    assert rss.input_of(Flow(a, b, TCP, 1, 2)) == b""
    assert rss.queue(Flow(a, b, TCP, 1, 2)) == 0  # nothing hashed: bucket 0
    assert rss.queue(Flow(a, b, 132, 1, 2)) is None  # nobody read sctp4
    assert hashed(Flow(a, b, UDP, 1, 2), "sdv") is None


def test_a_table_of_odd_size_gives_no_queue() -> None:
    one = flow("1.1.1.1", 1, "2.2.2.2", 2, UDP)
    assert Rss(MICROSOFT_KEY, equal_table(8, 192), {"udp4": "sdfn"}).queue(one) is None
    said = predict(Rss(MICROSOFT_KEY, equal_table(3, 96), {"udp4": "sdfn"}), {one: 5})
    assert (said.untold, said.total) == (5, 5)


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_of_keys_raise(text: str) -> None:
    assert read_key(text) is None or isinstance(read_key(text), bytes)


def test_a_key_is_read_as_ethtool_prints_it() -> None:
    assert read_key(MICROSOFT_KEY.hex(":")) == MICROSOFT_KEY
    assert read_key("6d:5") is None
    assert read_key("٣٣") is None
