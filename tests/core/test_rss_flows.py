"""Flows out of captures and lists: real forms, and everything that a hostile file may hold."""

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Reason
from fleet.core.rss import ESP, TCP, UDP, Flow
from fleet.core.rss_flows import read_list
from fleet.core.rss_pcap import Captured, read_capture

A, B = ip_address("1.99.99.2").packed, ip_address("1.99.99.1").packed
A6, B6 = ip_address("2001:db8::1").packed, ip_address("2001:db8::2").packed


def ipv4(payload: bytes, protocol: int, *, word: int = 0x4000, source: bytes = A) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, word, 64, protocol, 0)
    return head + source + B + payload


def ipv6(payload: bytes, following: int) -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + A6 + B6 + payload


def udp(sport: int, dport: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data


def ethernet(packet: bytes, kind: int = 0x0800, *tags: int) -> bytes:
    tagged = b"".join(struct.pack(">HH", tag, 100) for tag in tags)
    return bytes(12) + tagged + struct.pack(">H", kind) + packet


# S1-3: ESP in UDP, total length 160, UDP checksum 0, spi 0xac11cadf, seq 0x480, 132 bytes of ESP.
SEED = ethernet(ipv4(udp(4500, 4500, struct.pack(">II", 0xAC11CADF, 0x480) + bytes(124)), UDP))


def pcap(*frames: bytes, link: int = 1, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    return head + b"".join(struct.pack(f"{order}IIII", 0, 0, len(f), len(f)) + f for f in frames)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(f"{order}II", kind, 12 + len(body)) + body + struct.pack(f"{order}I", 12 + len(body))


def pcapng(*frames: bytes, order: str = "<") -> bytes:
    made = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    made += block(1, struct.pack(f"{order}HHI", 1, 0, 0), order)
    for f in frames:
        made += block(6, struct.pack(f"{order}IIIII", 0, 0, 0, len(f), len(f)) + f, order)
    return made + block(3, struct.pack(f"{order}I", len(frames[0])) + frames[0], order)


def read(data: bytes) -> Captured:
    found = read_capture(data)
    assert isinstance(found, Captured)
    return found


def test_the_packet_of_the_seed_is_one_flow_in_every_form_of_file() -> None:
    wanted = Flow(A, B, UDP, 4500, 4500)
    assert len(SEED) - 14 == 160
    for data in (pcap(SEED), pcap(SEED, order=">"), pcap(SEED, magic=0xA1B23C4D), pcap(SEED[14:], link=101)):
        assert read(data).flows == {wanted: 1}
    for order in "<>":
        assert read(pcapng(SEED, order=order)).flows == {wanted: 2}


def test_tags_fragments_extensions_and_other_protocols() -> None:
    frames = [
        ethernet(ipv4(udp(1, 2), UDP), 0x0800, 0x88A8, 0x8100),
        ethernet(ipv4(udp(1, 2), UDP, word=0x2000)),  # more fragments: hashed by addresses
        ethernet(ipv4(b"", ESP)),
        ethernet(ipv6(udp(3, 4), UDP), 0x86DD),
        ethernet(ipv6(bytes([TCP, 1]) + bytes(14) + udp(5, 6), 0), 0x86DD),  # hop-by-hop of 16 bytes, then TCP
        ethernet(ipv6(bytes([UDP, 0, 0, 1]) + bytes(4) + udp(7, 8), 44), 0x86DD),
        ethernet(b"", 0x0806),
        ethernet(ipv4(b"", UDP)),  # no ports left
    ]
    found = read(pcap(*frames))
    assert set(found.flows) == {
        Flow(A, B, UDP, 1, 2), Flow(A, B, UDP, fragment=True), Flow(A, B, ESP), Flow(A6, B6, UDP, 3, 4),
        Flow(A6, B6, TCP, 5, 6), Flow(A6, B6, UDP, fragment=True),
    }  # fmt: skip
    assert (found.other, found.cut, found.packets) == (1, 1, 8)


def test_linux_cooked_captures() -> None:
    packet = ipv4(udp(4500, 4500), UDP)
    assert read(pcap(bytes(14) + b"\x08\x00" + packet, link=113)).flows == {Flow(A, B, UDP, 4500, 4500): 1}
    assert read(pcap(b"\x08\x00" + bytes(18) + packet, link=276)).flows == {Flow(A, B, UDP, 4500, 4500): 1}


def test_what_is_cut_off_is_read_as_far_as_it_goes_and_says_so() -> None:
    found = read(pcap(SEED, SEED)[:-10])
    assert found.flows == {Flow(A, B, UDP, 4500, 4500): 1}
    assert found.ended is not None
    assert "174 bytes" in found.ended.found
    assert isinstance(read_capture(b"GIF89a"), Reason)
    assert isinstance(read_capture(b""), Reason)


@given(st.binary(max_size=400), st.integers(0, 300), st.sampled_from([1, 12, 101, 113, 228, 276, 999]))
def test_nothing_makes_it_raise(noise: bytes, cut: int, link: int) -> None:
    for whole in (pcap(SEED, noise, link=link), pcapng(SEED, noise), b"\x0a\x0d\x0d\x0a" + noise):
        read_capture(whole[:cut] + noise)
        read_capture(whole)


def test_a_list_with_and_without_a_head() -> None:
    plain = "udp,1.99.99.2,4500,1.99.99.1,4500,10\nesp 1.99.99.2 0 1.99.99.1\n# words\n"
    assert read_list(plain).flows == {Flow(A, B, UDP, 4500, 4500): 10, Flow(A, B, ESP): 1}
    headed = "dst,src,sport,dport,proto,pkts\n1.99.99.1,1.99.99.2,4500,4500,UDP,7\n"
    assert read_list(headed).flows == {Flow(A, B, UDP, 4500, 4500): 7}


def test_every_line_that_cannot_be_read_is_named() -> None:
    said = read_list("udp,1.1.1.1,99999,2.2.2.2,1\nfoo,1.1.1.1,1,2.2.2.2,1\nudp,1.1.1.1,1,2001:db8::1,1\nudp,x,1,y,1")
    assert said.flows == {}
    assert [r.subject for r in said.reasons] == ["flow 1", "flow 2", "flow 3", "flow 4"]


@given(st.text(max_size=200))
def test_no_list_makes_it_raise(text: str) -> None:
    read_list(text)
