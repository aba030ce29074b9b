"""What is wrong after a change of the long run: what reached the routers, what is on them, plain SQL. From outside."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from lab.sim import SimFleet
from playbooks import wire
from proof.faults import judge, scene
from proof.long.ring import Ring
from proof.long.walked import BACKLOG, Walk

# The links of the last events and the pages to people are written a moment after the end; a fault may hold them up.
WRITTEN_WITHIN_S = 150.0
BOOT_S = 20.0
_FILES = {"frr": ("/etc/frr/frr.conf",), "bird": ("/etc/bird/bird.conf", "/etc/bird/slipway-drain.conf")}
ENDED = {"succeeded", "failed", "rolled_back"}


class Journal:
    """What reached the routers, read on from where it was read before."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.start: Mapping[str, Any] = {}

    def since(self) -> list[dict[str, Any]]:
        """The entries since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [json.loads(line) for line in whole.splitlines()]
        for entry in found:
            if entry["event"] == "start":
                self.start = entry
        return found


class Judge:
    """Judges one change after another. `applied` is what a change may have altered, as it was before it."""

    def __init__(self, fleet: SimFleet | Ring, database: str, *, setting: str = BACKLOG) -> None:
        self.fleet, self._database, self._setting = fleet, database, setting
        self._journal = Journal(fleet.folder / "journal.jsonl")
        self._journal.since()
        self._before = self._applied()
        self._files: dict[tuple[str, str], str] = {}

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        for _ in range(20):
            try:
                with psycopg.connect(self._database, connect_timeout=5) as connection:
                    return connection.execute(sql).fetchall()  # type: ignore[arg-type]
            except psycopg.Error:
                time.sleep(3.0)
        raise RuntimeError("the database does not come back")

    def begin(self) -> None:
        self._journal.since()
        self._before = self._applied()
        self._files = {
            (name, path): self.fleet.console(name, f"cat {path}")[1]
            for name, state in self.fleet.states().items()
            for path in _FILES[state["suite"]]
        }

    def mend(self, name: str) -> bool:
        """On the console of a stuck router: the files of before the change, a restart. Is it drained no more?"""
        self.fleet.clear(name)
        for (router, path), text in self._files.items():
            if router == name:
                put = wire.command(wire.put_argv(path, "0644"), root=True, become="sudo")
                self.fleet.console(name, put, stdin=text)
        self.fleet.cycle(name)
        time.sleep(BOOT_S)
        return not any(self.fleet.state(name)["drained"].values())

    def wrong(self, walk: Walk) -> tuple[dict[str, str], list[str]]:
        """State of each target, and every violation in words."""
        until = time.monotonic() + WRITTEN_WITHIN_S
        while True:
            targets = judge.targets_of(walk.change, self.rows)
            late = [
                *judge.of_rows(walk.change, targets, self.rows), *judge.of_chain(walk.change, self.rows),
                *self._of_devices(walk, targets),
            ]  # fmt: skip
            if not late or time.monotonic() > until or walk.state not in ENDED:
                break
            time.sleep(5.0)
        story = scene.Story(walk.story.recipe, {}, 1, restarts=walk.story.restarts, daemons=walk.story.daemons)
        entries = [self._journal.start, *self._journal.since()]
        return {name: state for name, (state, *_) in targets.items()}, [
            *judge.of_journal(story, entries, targets),
            *late,
        ]

    def _applied(self) -> dict[str, dict[str, str]]:
        """Of every router: the setting, the queues and the section that changes of this run write."""
        made = {}
        for name, state in self.fleet.states().items():
            bird = state["suite"] == "bird"
            command = "cat /etc/bird/bird.conf" if bird else "vtysh -c 'show running-config'"
            text = self.fleet.console(name, command)[1]
            said = [line.strip() for line in text.splitlines() if "proof" in line or "192.0.2." in line]
            made[name] = {
                "sysctl": state["sysctls"].get(self._setting, ""),
                "nic-queues": str(state["nics"]["eth1"]["channels"]),
                "routing-config": " ".join(said),
            }
        return made

    def _of_devices(self, walk: Walk, targets: judge.Targets) -> list[str]:
        """A router that is put back is as before, one that is done has what was wanted, and nothing else moved."""
        now, found = self._applied(), []
        what = walk.story.recipe
        for name, (state, _, changed) in targets.items():
            if state == "stuck":
                continue
            moved = {key for key in now[name] if now[name][key] != self._before[name][key]}
            wanted = {what} & set(now[name]) if state == "done" and changed else set[str]()
            # A restart brings back what was never made to last; it is not of this change.
            if what in {"nic-queues"} and now[name][what] == self._before[name][what]:
                wanted -= {what}
            if moved != wanted:
                found.append(f"{name}: {state}, and {sorted(moved) or 'nothing'} moved, wanted {sorted(wanted)}")
        return found
