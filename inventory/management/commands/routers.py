"""routers: what exists, and what was last seen of it."""

import argparse
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from fleet import clock
from fleet.core.model import Json
from inventory.console import add_json, console, print_json, table
from inventory.models import Observation, Router
from inventory.seen import versions


class Command(BaseCommand):
    help = "List the routers with site, role, suite, versions and when they were last seen."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--site", help="only those of this site")
        parser.add_argument("--role", help="only those of this role")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = {"site__name": options["site"], "role": options["role"]}
        found = Router.objects.filter(**{key: value for key, value in wanted.items() if value})
        rows = _rows(list(found.select_related("site__failure_domain")))
        if options["json"]:
            print_json(rows)
            return
        now = clock.now()
        columns = ("name", "site", "failure domain", "role", "suite", "suite version", "kernel", "last seen")
        keys = ("name", "site", "failure_domain", "role", "suite", "suite_version", "kernel")
        table("routers", columns, [(*(row[k] or "?" for k in keys), _age(row["last_seen"], now)) for row in rows])
        console.print(f"{len(rows)} router(s)", markup=False)


def _rows(routers: list[Router]) -> list[dict[str, Json]]:
    latest = Observation.objects.latest_by_router([router.name for router in routers])
    rows: list[dict[str, Json]] = []
    for router in routers:
        observation = latest.get(router.name)
        found = versions(observation.facts if observation else {})
        rows.append(
            {
                "name": router.name,
                "site": router.site.name,
                "failure_domain": router.site.failure_domain.name,
                "role": router.role,
                "suite": router.suite,
                "suite_version": found["suite"],
                "kernel": found["kernel"],
                "address": router.address,
                "port": router.port,
                "last_seen": observation.observed_at.isoformat() if observation else None,
            }
        )
    return rows


def _age(seen: str | None, now: datetime) -> str:
    if seen is None:
        return "never"
    minutes = int((now - datetime.fromisoformat(seen)).total_seconds() // 60)
    if minutes < 120:
        return f"{max(minutes, 0)} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"
