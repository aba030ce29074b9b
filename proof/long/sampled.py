"""What the long run looks at every quarter of a minute, one line of JSON each: processes, connections, rows."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis

from proof.long import processes

EVERY_S = 15.0
ROWS_EVERY = 4  # every table is counted once a minute


class Samples(threading.Thread):
    """Writes until it is stopped. `roots`: what runs, by name, asked each time; `counts`: what was done so far."""

    def __init__(
        self,
        path: Path,
        *,
        database: str,
        broker: Callable[[], "redis.Redis"],
        roots: Callable[[], Mapping[str, int]],
        counts: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(name="samples", daemon=True)
        self._path, self._database, self._broker = path, database, broker
        self._roots, self._counts, self._over = roots, counts, threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._number = 0

    def run(self) -> None:
        began = time.monotonic()
        while True:
            self._write(time.monotonic() - began)
            if self._over.wait(max(0.1, began + self._number * EVERY_S - time.monotonic())):
                return

    def stop(self) -> None:
        self._over.set()
        self.join(30)

    def _write(self, at: float) -> None:
        with_rows = self._number % ROWS_EVERY == 0
        self._number += 1
        tree = processes.parents()
        line = {
            "at": round(at, 2),
            **self._counts(),
            "processes": {name: processes.held(pid, tree) for name, pid in self._roots().items() if pid},
            "postgresql": self._quietly(lambda: self._of_database(with_rows)),
            "redis": self._quietly(self._of_broker),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _quietly(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """A server that was killed a moment ago has no figures now."""
        try:
            return ask()
        except (psycopg.Error, redis.RedisError, OSError):
            self._connection = None
            return None

    def _of_database(self, with_rows: bool) -> dict[str, Any]:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._database, autocommit=True, connect_timeout=3, options="-c statement_timeout=8000"
            )
        ask = self._connection.execute
        mine = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
        [(connections, idle_in)] = ask(
            f"SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in%') FROM pg_stat_activity WHERE {mine}"
        ).fetchall()
        [(size,)] = ask("SELECT pg_database_size(current_database())").fetchall()
        made: dict[str, Any] = {
            "connections": connections,
            "idle_in_transaction": idle_in,
            "mb": round(size / 2**20, 3),
        }
        if with_rows:
            tables = [name for (name,) in ask("SELECT relname FROM pg_stat_user_tables ORDER BY 1").fetchall()]
            each = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in tables)
            made["rows"] = dict(ask(each).fetchall())
        return made

    def _of_broker(self) -> dict[str, Any]:
        client = self._broker()
        try:
            said: Any = client.info()
            queues = ("legs", "collect", "tick", "outward", "doubtful")
            waiting: Any = [client.llen(f"slipway:{name}") for name in queues]
            unacked: Any = client.hlen("slipway:unacked")
            keys: Any = client.dbsize()
        finally:
            client.close()
        return {
            "boot": said["run_id"],
            "clients": said["connected_clients"],
            "mb": round(said["used_memory"] / 2**20, 3),
            "keys": keys,
            "waiting": sum(waiting),
            "unacked": unacked,
        }
