"""The kind `packages` with the real apt and dpkg, on a copy of this machine's own tree that is thrown away.

Packages made here, an archive of files, no systemd: what puts the versions back by itself is the plain process.
"""

import hashlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fleet.core.model import Json, Reason, StepSpec
from playbooks import engine, registry, wire
from playbooks.base import Answer, Device, Session, Step, Unreachable
from playbooks.engine import Outcome, OutcomeKind
from tests import needs
from tests.playbooks.scripted import FRR

TOKEN = "@@slipway-0123456789abcdef"
OLD, NEW, BROKEN = "3:1.0", "3:2.0", "3:9"
# (name, version, control lines more); the start of the last one fails.
PACKAGES = (
    ("toyd", OLD, f"Depends: toyd-tools (= {OLD})"), ("toyd-tools", OLD, ""), ("libtoy", "1", ""),
    ("toyd", NEW, f"Depends: toyd-tools (= {NEW}), libtoy"), ("toyd-tools", NEW, ""),
    ("toyd", BROKEN, f"Depends: toyd-tools (= {NEW}), libtoy"),
)  # fmt: skip
AS_BEFORE = {f"toyd {OLD} hi", f"toyd-tools {OLD} ii"}


def archive(folder: Path) -> None:
    """The packages and their list, as a flat repository."""
    listed = []
    for name, version, more in PACKAGES:
        tree = folder / "build" / f"{name}-{version}"
        for part in ("DEBIAN", "etc"):
            (tree / part).mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.net>\n{more}"
        (tree / "DEBIAN" / "control").write_text(f"{control.rstrip()}\nDescription: made for a test\n")
        (tree / "DEBIAN" / "conffiles").write_text(f"/etc/{name}.conf\n")
        (tree / "etc" / f"{name}.conf").write_text(f"{version}\n")
        start = tree / "DEBIAN" / "postinst"
        start.write_text(f"#!/bin/sh\nexit {int(version == BROKEN)}\n")
        start.chmod(0o755)
        file = folder / f"{name}_{version.replace(':', '.')}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, file], check=True, capture_output=True)
        shown = subprocess.run(["dpkg-deb", "-f", file], check=True, capture_output=True, text=True).stdout
        made = file.read_bytes()
        digest = hashlib.sha256(made).hexdigest()
        listed.append(f"{shown}Filename: ./{file.name}\nSize: {len(made)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(listed))


@dataclass
class Tree(Session):
    """Commands in the copy. `cuts`: it is not reached while this version of toyd is installed."""

    keeper: int
    root: str
    cuts: str = ""
    device: Device = FRR

    def inside(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        into = ["nsenter", "-t", str(self.keeper), "-m", "chroot", self.root]
        return subprocess.run([*into, *argv], input=stdin, capture_output=True, text=True, check=False)

    def _reached(self) -> None:
        if self.cuts and self.cuts in self.inside("dpkg-query", "-W", "-f=${Version}", "toyd").stdout:
            raise Unreachable(Reason(self.device.name, "no answer", "a session"))

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        self._reached()
        done = self.inside(*argv, stdin=stdin)
        return Answer(done.returncode, done.stdout, done.stderr)

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        script = wire.batch_script(commands, per_interface or {}, token=TOKEN)
        return wire.batch_answers(self.run(list(wire.BATCH_SHELL), stdin=script).out, token=TOKEN)

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        return self.run(wire.put_argv(path, mode), stdin=text)

    def installed(self) -> set[str]:
        shown = self.inside("dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Abbrev}\n", "toyd*", "libtoy*")
        return {line.strip() for line in shown.stdout.splitlines() if not line.strip().endswith(("rc", "un"))}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    needs.need(needs.minutes())
    needs.need(needs.root())
    needs.need(needs.lab())  # for the overlay
    tmp_path = tmp_path_factory.mktemp("tree")
    (tmp_path / "archive").mkdir()
    archive(tmp_path / "archive")
    over = tmp_path / "over"
    over.mkdir()
    root = f"{over}/m"
    made = f"""mount -t tmpfs none {over}; mkdir {over}/u {over}/w {root}
mount -t overlay none -o lowerdir=/,upperdir={over}/u,workdir={over}/w {root}
mkdir {root}/archive; cp {tmp_path}/archive/* {root}/archive/ 2>/dev/null || true
mount --rbind /proc {root}/proc; mount --rbind /dev {root}/dev
rm -rf {root}/etc/apt/sources.list.d/* {root}/usr/bin/systemctl {root}/usr/bin/systemd-run
echo 'deb [trusted=yes] file:/archive ./' > {root}/etc/apt/sources.list
echo 'APT::Sandbox::User "root";' > {root}/etc/apt/apt.conf.d/00test
echo ready; exec sleep 600"""
    argv = ["unshare", "-m", "--propagation", "private", "/bin/sh", "-ec", made]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as keeper:
        try:
            assert keeper.stdout is not None and keeper.stdout.readline() == "ready\n"
            one = Tree(keeper.pid, root)
            one.inside("apt-get", "-o", "Acquire::Languages=none", "update")
            one.inside("apt-get", "-y", "install", f"toyd={OLD}", f"toyd-tools={OLD}")
            one.inside("apt-mark", "hold", "toyd")
            assert one.installed() == AS_BEFORE
            yield one
        finally:
            keeper.kill()


def went(tree: Tree, step: Step, *, rollback: bool = False) -> tuple[Outcome, Step]:
    """The step to its end, visit by visit, with the real clock."""
    driver, began, held, sent = registry.driver("packages"), time.monotonic(), step, False
    act = engine.perform_rollback if rollback else engine.perform

    def ahead(artifact: Mapping[str, Json] | None) -> bool:
        nonlocal sent, held
        sent, held = True, held if artifact is None else replace(held, artifact=artifact)
        return True

    while True:
        held = replace(held, waited_s=time.monotonic() - began)
        outcome = act(driver, tree, held, sent=sent, deadline_s=60.0, write_ahead=ahead)
        held = replace(held, progress=outcome.data)
        if outcome.kind not in (OutcomeKind.WAIT, OutcomeKind.RETRY):
            return outcome, held
        time.sleep(max(0.2, min(outcome.after_s, 2.0)))


def made(version: str) -> Step:
    params = {"versions": {"toyd": version, "toyd-tools": NEW}, "along": ["libtoy"], "confirm": "10s", "within": "2m"}
    planned = registry.driver("packages").plan(StepSpec("packages", params), FRR, {})
    return Step("packages", planned.params, planned, FRR)


def test_versions_that_cut_off_the_way_in_are_put_back_by_the_machine_itself(tree: Tree) -> None:
    outcome, held = went(replace(tree, cuts=NEW), made(NEW))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "put itself back" in str(outcome.reasons[0])
    back, _ = went(tree, replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and tree.installed() == AS_BEFORE


def test_a_package_that_does_not_start_is_left_half_configured_and_mended(tree: Tree) -> None:
    outcome, held = went(tree, made(BROKEN))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "dpkg returned an error code" in str(outcome.reasons[0])
    back, _ = went(tree, replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and tree.installed() == AS_BEFORE, back.reasons


def test_what_is_reached_stays_and_goes_back_without_an_archive(tree: Tree) -> None:
    outcome, held = went(tree, made(NEW))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert tree.installed() == {f"toyd {NEW} hi", f"toyd-tools {NEW} hi", "libtoy 1 ii"}
    tree.inside("/bin/sh", "-c", "rm -rf /archive/*; apt-get clean")
    back, _ = went(tree, replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and tree.installed() == AS_BEFORE, back.reasons
