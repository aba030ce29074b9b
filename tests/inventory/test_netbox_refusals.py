"""A NetBox that fails, lies, is slow or is none: nothing is written, and the message names address, found, wanted."""

import datetime
import ipaddress
import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet.core.model import Reason
from inventory import models
from inventory.importers import netbox
from inventory.importers.netbox import Filters, NotRead, Source, client
from lab.netbox import Behaviours, NetBoxServer, fleet
from tests.inventory.netbox_scene import DEFAULTS, TOKEN_ENV, bring_in, everything, look, ops, row, server, small

pytestmark = pytest.mark.django_db
__all__ = ["ops", "server"]


@pytest.fixture(autouse=True)
def waited(ops: models.Credential, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, not slept."""
    noted: list[float] = []
    monkeypatch.setattr(client, "PAGE", 20)
    original = client.Client.open

    def open_client(*args: Any, **kwargs: Any) -> client.Client:
        made = original(*args, **kwargs)
        made.sleep = noted.append
        return made

    monkeypatch.setattr(client.Client, "open", open_client)
    return noted


@pytest.fixture
def big(server: NetBoxServer) -> NetBoxServer:
    """One pod of 50 devices in pages of 20, imported once: every failure has something to spoil."""
    server.tables = fleet(50)
    bring_in(server)
    return server


def refusal(server: NetBoxServer, filters: Filters | None = None, **options: Any) -> Reason:
    """The reason; with nothing written and no token in it."""
    before = everything()
    with pytest.raises(NotRead) as caught:
        look(server, filters, **options)
    assert everything() == before
    assert server.token not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value.reason


DEVICES = "/api/dcim/devices/?status=active&limit=20&offset="


@pytest.mark.parametrize(
    ("behaviours", "where", "found", "wanted"),
    [
        (Behaviours(status=500, from_offset=20), "20", "status 500", "status 200"),
        (Behaviours(status=502, from_offset=40, echo_token=True), "40", "<token>", "status 200"),
        (Behaviours(lying_count=7), "50", "50 rows", "57, its count"),
        (Behaviours(lying_count=-30), "20", "20 more row(s)", "20, its count"),
        (Behaviours(growing_count=True), "20", "a count of 70 after one of 50", "the same count on every page"),
        (Behaviours(short_page=True, from_offset=40), "49", "49 rows", "50, its count"),
        (Behaviours(repeat_row=True), "20", "1 row(s) for the second time", "each row once"),
        (Behaviours(html=True, from_offset=20), "20", "not NetBox's JSON", "NetBox's API"),
        (Behaviours(garbage=b'{"count": 50, "results": [1, null]}'), "0", "another shape", "a list of NetBox 4"),
        (Behaviours(garbage=b'{"count": "50", "results": []}'), "0", "another shape", "a list of NetBox 4"),
        (Behaviours(garbage=b'{"results": []}'), "0", "not NetBox's JSON", "NetBox's API"),
        (Behaviours(garbage=b"[" * 100_000), "0", "not NetBox's JSON", "NetBox's API"),
        (Behaviours(garbage=b'{"detail": "\xff"}'), "0", "another shape", "a list of NetBox 4"),
        (Behaviours(redirect="https://elsewhere.example.net/"), "0", "a redirect to 'https://elsewhere", "itself"),
    ],
)
def test_in_the_middle_of_paging(
    big: NetBoxServer, behaviours: Behaviours, where: str, found: str, wanted: str
) -> None:
    big.behaviours = Behaviours(**{**vars(behaviours), "endpoint": "dcim/devices"})
    reason = refusal(big)
    assert reason.subject == f"{big.url}{DEVICES}{where}"
    assert found in reason.found and wanted in reason.wanted and reason.remedy


@pytest.mark.parametrize("endpoint", ["dcim/sites", "dcim/cables", "dcim/interfaces"])
def test_every_list_is_doubted(big: NetBoxServer, endpoint: str) -> None:
    big.behaviours = Behaviours(endpoint=endpoint, lying_count=1)
    assert endpoint in refusal(big).subject


def test_a_slow_start_and_a_trickle_end(big: NetBoxServer) -> None:
    big.behaviours = Behaviours(endpoint="dcim/devices", delay_s=1.0)
    assert refusal(big, read_s=0.2).found == "no answer in time"
    big.behaviours = Behaviours(endpoint="dcim/devices", trickle_s=0.02)
    reason = refusal(big, read_s=0.5, page_s=0.3)
    assert (reason.subject, reason.found) == (f"{big.url}{DEVICES}0", "no answer in time")


def test_an_endless_page_is_not_read_to_its_end(big: NetBoxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inventory.importers.netbox.session.MOST_BYTES", 2**20)
    big.behaviours = Behaviours(endpoint="dcim/devices", garbage=b" " * (3 * 2**20))
    assert refusal(big).found == "more than 1 MiB in one answer"


def test_later_is_tried_later(big: NetBoxServer, waited: list[float]) -> None:
    big.behaviours = Behaviours(endpoint="dcim/devices", status=429, status_times=3, retry_after="7")
    assert look(big).changes == 0
    assert waited == [7.0, 7.0, 7.0]


@pytest.mark.parametrize(
    ("retry_after", "waits"), [("", [1.0, 2.0, 4.0]), ("3600", []), ("Wed, 21 Oct", [1.0, 2.0, 4.0])]
)
def test_but_not_for_ever(big: NetBoxServer, waited: list[float], retry_after: str, waits: list[float]) -> None:
    big.behaviours = Behaviours(endpoint="dcim/devices", status=503, retry_after=retry_after)
    reason = refusal(big)
    assert reason.found.startswith("status 503") and "4 attempts" in reason.wanted
    assert waited == waits


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ("f" * 40, 'status 403 \'{"detail": "Invalid token"}\''),
        ("expired-token", "Token expired"),
        ("inactive-user", "User inactive"),
        ("wrong-address", "Source IP 127.0.0.1 is not permitted"),
        ("no-permission", "You do not have permission"),
    ],
)
def test_tokens_that_are_refused(server: NetBoxServer, monkeypatch: pytest.MonkeyPatch, token: str, found: str) -> None:
    monkeypatch.setenv(TOKEN_ENV, token)
    reason = refusal(server)
    assert found in reason.found and reason.wanted == "permission to read"
    assert token not in str(reason)


@pytest.mark.parametrize("token", ["", "short", "two words of a token", "0123456789\n", "tökentökentöken"])
def test_tokens_that_are_not_sent(server: NetBoxServer, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv(TOKEN_ENV, token)
    reason = refusal(server)
    assert reason.subject == f"environment variable '{TOKEN_ENV}'" and server.seen == []
    assert not token or token not in str(reason)


def test_the_token_goes_nowhere(
    server: NetBoxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not into logs at any level, not into rows, not where a redirect leads; and netrc does not replace it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    caplog.set_level(logging.DEBUG)
    with NetBoxServer(small()) as other:
        preview = bring_in(server)
        server.behaviours = Behaviours(redirect=f"{other.url}/api/dcim/devices/", endpoint="dcim/devices")
        refusal(server)
        assert other.seen == []
    assert server.token not in caplog.text and server.token not in str(preview.as_json())
    assert server.token not in repr(client.Client.open(Source(server.url, TOKEN_ENV), progress=lambda *_: None))
    assert server.token not in str(everything())


@pytest.mark.parametrize(
    "url",
    [
        "netbox.example.net", "ftp://netbox.example.net", "https://", "https://n.example.net/?token=x", "https://[::1",
        "https://n.example.net:0/", "https://n.example.net:port/", "https://n.example.net/a b", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(NotRead, match="NetBox URL"):
        netbox.preview_of(Source(url, TOKEN_ENV), Filters(), DEFAULTS)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(NotRead) as caught:
        netbox.preview_of(Source("https://admin:hunter2@n.example.net", TOKEN_ENV), Filters(), DEFAULTS)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "/", "/api", "/api/"])
def test_ends_of_an_address_do_not_matter(server: NetBoxServer, end: str) -> None:
    assert netbox.preview_of(Source(server.url + end, TOKEN_ENV), Filters(), DEFAULTS).snapshot.url == server.url


def test_nobody_there(server: NetBoxServer) -> None:
    server.stop()
    try:
        reason = refusal(server)
    finally:
        server.start()
    assert reason.subject.endswith("/api/status/") and "Connection refused" in reason.found


@pytest.mark.parametrize("version", ["3.7.8", "", "four", "4\x00.1"])
def test_other_versions(server: NetBoxServer, version: str) -> None:
    server.version = version
    assert refusal(server).wanted in {"NetBox 4 or newer", "the status of a NetBox"}


def test_a_filter_that_netbox_does_not_know(server: NetBoxServer) -> None:
    reason = refusal(server, Filters(roles=("egde",)))
    assert "status 400" in reason.found and "egde is not one of the available choices" in reason.found
    assert "role=egde" in reason.subject


@pytest.mark.parametrize("filters", [Filters(sites=("ma1",)), Filters(tags=("ipv6",))])
def test_a_filter_that_netbox_ignores(server: NetBoxServer, filters: Filters) -> None:
    server.behaviours = Behaviours(ignore_filters=True)
    reason = refusal(server, filters)
    assert reason.subject == f"{server.url}/dcim/devices/2/" and "ignores the filter" in reason.remedy


def test_rows_that_do_not_make_sense_are_named_and_do_no_harm(server: NetBoxServer) -> None:
    """Whatever stands in a row: the answer is a preview."""
    nonsense: list[Any] = [None, 7, "x", [], {}, {"id": "x"}, {"slug": 5}, [1], {"value": []}, "\x00\ud800", True]
    for number, value in enumerate(nonsense):
        for endpoint in ("dcim/devices", "dcim/sites", "dcim/cables"):
            server.tables = small()
            first = server.tables.rows[endpoint][1]
            for key in [key for key in first if key not in {"id", "url", "display_url", "tags", "status"}]:
                first[key] = value
            if endpoint != "dcim/cables":
                assert look(server).wrong, (number, endpoint)
            else:
                look(server)


# --- https ---------------------------------------------------------------------------------------------------------


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, key = _certificate(tmp_path, "ours")
    other, _ = _certificate(tmp_path, "other")
    with NetBoxServer(small(), certificate=ours, key=key) as server:
        monkeypatch.setenv(TOKEN_ENV, server.token)

        def read(ca: str) -> Any:
            return netbox.preview_of(Source(server.url, TOKEN_ENV, ca), Filters(), DEFAULTS)

        for ca in ("", str(other)):
            with pytest.raises(NotRead, match="a certificate that is signed by a known CA") as caught:
                read(ca)
            assert "--ca-file" in caught.value.reason.remedy
        assert server.seen == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))  # the environment does not go before what was given
        assert read(str(ours)).changes == 10
        with pytest.raises(NotRead, match="CA file: found no file"):
            read(str(tmp_path / "none.pem"))


def test_no_site_is_lost_by_a_failure_after_an_import(big: NetBoxServer) -> None:
    """The lists that were read before the failure are not used either."""
    big.tables.remove("dcim/devices", row(big, "dcim/devices", "r7"))
    big.behaviours = Behaviours(endpoint="dcim/cables", status=500, from_offset=20)
    refusal(big)
    assert not models.Router.objects.filter(stale_since__isnull=False).exists()
