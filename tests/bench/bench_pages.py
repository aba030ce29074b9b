"""Figures of the inventory's pages over a large fleet: queries, p50 and p95 of each list page and the device page.

make bench PYTEST="-k pages"            BENCH_DEVICES=10000 (default), BENCH_PAGE_ROUNDS=20
"""

import gc
import os
import statistics
import time
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.table import Table

from fleet import clock
from tests.bench import machine
from tests.inventory import scene

DEVICES = int(os.environ.get("BENCH_DEVICES", "10000"))
ROUNDS = int(os.environ.get("BENCH_PAGE_ROUNDS", "20"))
WANTED_P95_MS = 200.0  # DESIGN section 8
PAGES = (
    "devices/", "devices/?page=90", "devices/?kernel=%3C+6.1&drift=yes&driver=ice&sort=-name", "devices/?q=edge0012",
    "devices/?sort=drift", "nics/", "nics/?driver=i40e&sort=serial", "links/", "sites/", "profiles/", "assignments/",
    "artifacts/", "consoles/", "credentials/", "externals/", "failure-domains/", "drift/", "compat/", "devices/bly/",
)  # fmt: skip


def test_pages_of_the_inventory(transactional_db: None) -> None:
    """Prints the table and writes var/bench/pages.json. The only assertion: every page answered."""
    reader = User.objects.create_user("reader")
    client = Client()
    client.force_login(reader)
    began = time.perf_counter()
    scene.fleet(DEVICES, clock.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as every database does by itself in use
    filled_s = time.perf_counter() - began
    rows = [{**measured(client, f"/inventory/{page}"), "page": page} for page in PAGES]
    csv_s = _csv(client)
    title = f"pages of {DEVICES} devices ({DEVICES * scene.PORTS} NICs), {connection.vendor}, {ROUNDS} requests each"
    table = Table(title=title, title_justify="left")
    for head in ("page", "queries", "CPU ms", "p50 ms", "p95 ms", "kB"):
        table.add_column(head, justify="left" if head == "page" else "right")
    for row in rows:
        slow = "" if row["p95_ms"] <= WANTED_P95_MS else f"  (wanted {WANTED_P95_MS:.0f})"
        table.add_row(
            row["page"],
            str(row["queries"]),
            f"{row['cpu_ms']:.0f}",
            f"{row['p50_ms']:.0f}",
            f"{row['p95_ms']:.0f}{slow}",
            str(row["kb"]),
        )
    console = Console(width=120)
    console.print(table)
    console.print(f"CSV of all devices: {csv_s:.1f} s, {DEVICES / csv_s:.0f} rows/s; filled in {filled_s:.0f} s")
    console.print(machine.about())
    path = machine.keep("pages", {"devices": DEVICES, "database": connection.vendor, "pages": rows, "csv_s": csv_s})
    console.print(f"{path.relative_to(Path(machine.REPOSITORY))}: written")


def measured(client: Client, address: str) -> dict[str, str | int | float]:
    """Queries, size, and how long a page takes, over ROUNDS requests."""
    client.get(address)
    gc.collect()
    gc.freeze()  # as fleet/asgi.py does: what the bench filled the database from is no part of a web process
    with CaptureQueriesContext(connection) as counted:
        response = client.get(address)
    queries = len(counted)  # now: the next request clears the log
    assert response.status_code == 200, address
    took, cpu = [], []
    for _ in range(ROUNDS):
        began, began_cpu = time.perf_counter(), time.process_time()
        client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - began_cpu) * 1000)
    return {
        "page": address,
        "queries": queries,
        "p50_ms": statistics.median(took),
        "cpu_ms": statistics.median(cpu),  # SQLite works in this process: what a page takes on a machine without others
        "p95_ms": statistics.quantiles(took, n=20)[-1],
        "kb": len(response.content) // 1000,
    }


def _csv(client: Client) -> float:
    from asgiref.sync import async_to_sync

    response = client.get("/inventory/devices/?format=csv")

    async def whole() -> int:
        return len([piece async for piece in response])

    began = time.perf_counter()
    async_to_sync(whole)()
    return time.perf_counter() - began
