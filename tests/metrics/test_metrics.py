"""Figures agree with the rows, are documented, used as they are named, closed to strangers; logs say what about."""

import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from fleet import logs
from fleet.metrics import collect, views
from fleet.metrics.names import BY_NAME, METRICS, Kind
from tests.changes import builders

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
TOKEN = "a-token-that-nobody-guesses"
db = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh() -> None:
    collect.kept.forget()


def ask(client: Client, **more: Any) -> Any:
    collect.kept.forget()
    return client.get("/metrics", **more)


# --- the figures -----------------------------------------------------------------------------------------------------


@db
def test_figures_are_those_of_the_rows(author: User, approver: User) -> None:
    builders.fleet(["bly", "aebi", "cow"])
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi", "cow"]]), NOW)
    builders.begin(run, ["bly"], NOW)
    builders.stuck(run, "bly", NOW)
    builders.draft(author, builders.plan([["cow"]]), NOW)
    builders.pulse(NOW - timedelta(seconds=7))
    found = collect.figures(NOW)
    assert found["slipway_tick_lag_seconds"] == {(): 7.0}
    assert found["slipway_changes"][("running",)] == 1
    assert found["slipway_changes"][("draft",)] == 1
    assert found["slipway_targets"][("stuck",)] == 1
    assert found["slipway_targets"][("pending",)] == 2
    for name, figure in (("stuck_devices", 1), ("drained_devices", 1), ("engaged_devices", 1), ("devices", 3)):
        assert found[f"slipway_{name}"] == {(): figure}, name
    assert found["slipway_stuck_total"] == {(): 1}


@db
def test_the_text_is_what_prometheus_reads_and_every_metric_is_in_it() -> None:
    families = {f.name: f for f in text_string_to_metric_families(collect.text(collect.figures(NOW)).decode())}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind
        assert family.documentation == metric.about
        assert all(tuple(sorted(s.labels)) == metric.labels for s in family.samples if s.name == metric.name)


@db
def test_queries_do_not_grow(author: User, django_assert_max_num_queries: Callable[[int], Any]) -> None:
    for number in range(20):
        change = builders.draft(author, builders.plan([[f"r{number}"]]), NOW)
        builders.events(change, 20, NOW)
    with django_assert_max_num_queries(18):
        collect.figures(NOW)


# --- who may ---------------------------------------------------------------------------------------------------------


@db
def test_closed_until_a_token_or_a_network_is_set(client: Client, settings: Any) -> None:
    settings.SLIPWAY_METRICS_TOKEN, settings.SLIPWAY_METRICS_NETWORKS = "", ()
    assert ask(client).status_code == 401
    assert ask(client, headers={"Authorization": "Bearer "}).status_code == 401
    settings.SLIPWAY_METRICS_TOKEN = TOKEN
    assert ask(client, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert ask(client, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert TOKEN not in ask(client).content.decode()


@db
def test_a_network_lets_in_the_peer_and_believes_no_header(client: Client, settings: Any) -> None:
    settings.SLIPWAY_METRICS_NETWORKS = (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    for address, status in (
        ("10.20.1.1", 200),
        ("fd00::1", 200),
        ("::ffff:10.20.0.9", 200),
        ("10.21.0.1", 401),
        ("", 401),
    ):
        assert ask(client, REMOTE_ADDR=address).status_code == status, address
    forged = {"X-Forwarded-For": "10.20.1.1", "Forwarded": "for=10.20.1.1", "X-Real-IP": "10.20.1.1"}
    assert ask(client, REMOTE_ADDR="192.0.2.1", headers=forged).status_code == 401


@db
def test_those_who_ask_at_once_cost_one_look(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SLIPWAY_METRICS_TOKEN = TOKEN
    looks: list[datetime] = []
    real = collect.figures
    monkeypatch.setattr(collect, "figures", lambda now: looks.append(now) or real(now))
    for _ in range(5):
        client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert len(looks) == 1


# --- health ----------------------------------------------------------------------------------------------------------


def test_health_asks_nobody(client: Client) -> None:
    assert client.get("/health").content == b"ok\n"
    assert client.post("/health").status_code == 405


@db
def test_ready_says_how_the_database_and_the_engine_are(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/ready").json() == {"ready": True, "database": "answers", "engine": None}
    builders.pulse(NOW)
    assert client.get("/ready").json()["engine"] > 0
    monkeypatch.setattr(views, "_unapplied", lambda: [1, 2])
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["database"][:24]) == (503, "2 migrations are missing")

    def away() -> list[object]:
        raise OperationalError("password=hunter2 host=db")

    monkeypatch.setattr(views, "_unapplied", away)
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": "OperationalError"}


@db
def test_a_database_that_is_away_is_no_crash(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SLIPWAY_METRICS_TOKEN = TOKEN

    def away(now: datetime) -> object:
        raise OperationalError("gone")

    monkeypatch.setattr(collect, "figures", away)
    assert ask(client, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 503


# --- what is written about them --------------------------------------------------------------------------------------


def used(text: str) -> set[str]:
    return set(re.findall(r"\bslipway_[a-z_]+", text))


def test_the_table_of_the_documentation_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = [f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.about} |" for m in METRICS]
    assert [line for line in page.splitlines() if line.startswith("| `slipway_")] == rows


def test_every_metric_that_the_dashboard_names_exists() -> None:
    board = json.loads((ROOT / "deploy" / "grafana" / "slipway.json").read_text())
    named = {name for panel in board["panels"] for t in panel["targets"] for name in used(t["expr"])}
    assert named <= set(BY_NAME)
    assert len(named) >= 18
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(places) == len(set(places))


def test_every_metric_that_the_alerts_name_exists_and_states_too() -> None:
    document = YAML(typ="safe").load((ROOT / "deploy" / "prometheus" / "slipway-alerts.yaml").read_text())
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert used(rule["expr"]) and used(rule["expr"]) <= set(BY_NAME), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        for state in re.findall(r'slipway_targets\{state="(\w+)"\}', rule["expr"]):
            assert state in {s.value for s in collect.TargetState}


def test_counters_and_only_they_end_in_total() -> None:
    assert all(m.name.endswith("_total") == (m.kind is Kind.COUNTER) for m in METRICS)


# --- logs ------------------------------------------------------------------------------------------------------------


def logged(formatter: logging.Formatter, *args: Any) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    log = logging.getLogger("tests.metrics")
    log.addHandler(handler)
    try:
        with logs.about(change=7, target="bly", step=None):
            log.error(*args)
    finally:
        log.removeHandler(handler)
    return stream.getvalue()


def test_a_line_of_json_says_what_it_is_about_and_holds_no_secret() -> None:
    line = logged(logs.JsonFormatter(), "neighbor 192.0.2.1 password %s\nsecond", "hunter2")
    said = json.loads(line)
    assert line.count("\n") == 1
    assert (said["change"], said["target"], said["level"], said["logger"]) == (7, "bly", "error", "tests.metrics")
    assert "step" not in said
    assert said["event"] == "neighbor 192.0.2.1 password [left-out]\nsecond"


def test_plain_lines_as_well() -> None:
    line = logged(logs.PlainFormatter(), "token=%s", "hunter2hunter2")
    assert line.endswith("token=[left-out] change=7 target=bly\n")


def test_another_format_is_refused_in_words() -> None:
    with pytest.raises(SystemExit, match="SLIPWAY_LOG_FORMAT: found 'xml', wanted plain or json"):
        logs.configured("INFO", "xml")


def test_every_connection_is_told_only_to_who_asks_for_everything() -> None:
    assert logs.configured("INFO", "plain")["loggers"] == {"paramiko": {"level": "WARNING"}}
    assert logs.configured("DEBUG", "plain")["loggers"] == {}
