"""Which addresses may be asked: nothing inside, however it is written; resolved once; no redirect; bounded."""

import socket
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from fleet.core.model import Reason
from fleet.outward import addresses, wire
from fleet.outward.wire import Limits, Line, NoAnswer
from lab.tickets.receiver import Receiver
from lab.tickets.server import Asked, Fake, Said, Site

INTERNAL = (
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1",
    "240.0.0.1", "192.0.0.8", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:7f00:1::1", "2001:db8::1", "::127.0.0.1", "no address",
)  # fmt: skip
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_ones_are_refused(address: str) -> None:
    assert addresses.refuse("h.example", address, ()) is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.6.139", "2001:67c:2e8::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_those_of_the_internet_are_not(address: str) -> None:
    assert addresses.refuse("h.example", address, ()) is None


def test_a_network_that_is_allowed_by_name_is_and_only_that() -> None:
    assert addresses.refuse("h", "127.0.0.1", LOOPBACK) is None
    assert addresses.refuse("h", "::ffff:127.0.0.1", LOOPBACK) is None
    assert addresses.refuse("h", "10.0.0.1", LOOPBACK) is not None


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h/", "file:///etc/passwd", "https://", "https://u:pw@h/", "https://h:99999/", "https://h/#x",
     "https://h\\@i/", "https://h /", "gopher://h/", "https://h/\r\nX: y", "//h/", "https://[::1/", "https://hé/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_no_password_repeated(url: str) -> None:
    found = addresses.target(url)
    assert isinstance(found, Reason)
    assert "pw" not in str(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f000001", "127.1"])
def test_this_machine_cannot_be_asked_however_it_is_written(host: str, serve: Callable[[Fake], Site]) -> None:
    receiver = Receiver()
    port = serve(receiver).port
    with Line(()) as line, pytest.raises(NoAnswer) as caught:
        line.ask("POST", f"http://{host}:{port}/", headers={})
    assert "intern" in str(caught.value) or "resolver" in str(caught.value)
    assert not caught.value.sent
    assert receiver.asked == []


def test_a_name_is_resolved_once_and_that_address_is_asked(
    serve: Callable[[Fake], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer would be internal. It is never asked for."""
    site = serve(receiver := Receiver())
    real, asked = socket.getaddrinfo, []

    def resolver(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "rebind.example":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.0.0.66", *args, **kwargs)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with Line((ip_network("127.0.0.1/32"),)) as line:
        assert line.ask("POST", f"http://rebind.example:{site.port}/x", headers={}).status == 204
        assert asked == ["rebind.example"]
        line.close()
        with pytest.raises(NoAnswer) as caught:
            line.ask("POST", f"http://rebind.example:{site.port}/x", headers={})
    assert "internal" in str(caught.value)
    assert [a.headers["host"] for a in receiver.asked] == [f"rebind.example:{site.port}"]


def test_one_internal_answer_of_several_refuses_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(2, 1, 6, "", (a, 443)) for a in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    to = addresses.target("https://h.example/")
    assert isinstance(to, addresses.Target)
    found = wire.resolve(to, ())
    assert isinstance(found, Reason)
    assert "10.0.0.1" in str(found)


def test_plain_http_only_inside_an_allowed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("8.8.8.8", 80))])
    to = addresses.target("http://h.example/")
    assert isinstance(to, addresses.Target)
    assert "https" in str(wire.resolve(to, ()))


def test_a_redirect_is_not_followed(serve: Callable[[Fake], Site]) -> None:
    inside = Receiver()
    there = serve(inside)
    outside = Receiver(302)
    outside.headers = {"Location": f"{there.url}/secret"}
    with Line(LOOPBACK) as line:
        assert line.ask("POST", serve(outside).url, headers={}).status == 302
    assert inside.asked == []


class Endless(Fake):
    def answer(self, asked: Asked) -> Said:
        return Said(200, b"x" * 200_000)


def test_an_answer_is_cut_at_the_limit(serve: Callable[[Fake], Site]) -> None:
    with Line(LOOPBACK, Limits(5, 1000)) as line:
        answer = line.ask("GET", serve(Endless()).url, headers={})
        assert (len(answer.body), answer.whole, answer.document()) == (1000, False, None)
        assert line.ask("GET", serve(Receiver()).url, headers={}).status == 204


def test_a_drip_of_bytes_that_always_come_in_time_ends_all_the_same() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    import threading

    def drip() -> None:
        connection, _ = server.accept()
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for n in range(200):
                connection.sendall(f"X-{n}: 1\r\n".encode())
                time.sleep(0.05)
        except OSError:
            pass

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    with Line(LOOPBACK, Limits(0.4)) as line, pytest.raises(NoAnswer) as caught:
        line.ask("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", headers={})
    assert time.monotonic() - began < 3
    assert caught.value.sent
    server.close()


def test_a_kept_connection_that_was_closed_is_opened_again_only_where_repeating_does_no_harm(
    serve: Callable[[Fake], Site],
) -> None:
    site = serve(receiver := Receiver())
    with Line(LOOPBACK) as line:
        line.ask("POST", site.url, headers={}, repeatable=True)
        assert line._open is not None
        line._open[2].sock.shutdown(socket.SHUT_RDWR)
        assert line.ask("POST", site.url, headers={}, repeatable=True).status == 204
    assert len(receiver.asked) == 2
