"""Recordings of what the FRR driver asks: a session that answers from files, and how the files are made.

    python -m tests.playbooks.napalm_recorded ROUTER      # on the running netns lab, as root; ROUTER runs FRR

The kernel of that machine has no VRFs: what `ip neigh show vrf TEST` would answer is the ring's answer without one, in
the case `ring-without-vrf`.
Layout as NAPALM's own test suite wants it: mocked_data/TEST/CASE/COMMAND.txt and expected_result.json.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napalm.base import NetworkDriver, get_network_driver

from lab import netns
from playbooks.base import Answer, Device, Session

FOLDER = Path(__file__).parent / "recordings" / "napalm-frr"
# Prefixes that NAPALM's suite asks for by number, announced by a neighbour while they are asked for.
ASKED = ("1.0.4.0/24", "1.0.4.128/25")

# Tests of the suite and what each calls.
CALLS: Mapping[str, Callable[[NetworkDriver], Any]] = {
    "test_get_facts": lambda d: d.get_facts(),
    "test_get_interfaces": lambda d: d.get_interfaces(),
    "test_get_interfaces_counters": lambda d: d.get_interfaces_counters(),
    "test_get_interfaces_ip": lambda d: d.get_interfaces_ip(),
    "test_get_bgp_neighbors": lambda d: d.get_bgp_neighbors(),
    "test_get_bgp_neighbors_detail": lambda d: d.get_bgp_neighbors_detail(),
    "test_get_bgp_config": lambda d: d.get_bgp_config(),
    "test_get_arp_table": lambda d: d.get_arp_table(),
    "test_get_ipv6_neighbors_table": lambda d: d.get_ipv6_neighbors_table(),
    "test_get_environment": lambda d: d.get_environment(),
    "test_get_network_instances": lambda d: d.get_network_instances(),
    "test_get_route_to": lambda d: d.get_route_to("1.0.4.0/24", "bgp"),
    "test_get_route_to_longer": lambda d: d.get_route_to("1.0.4.0/24", "bgp", longer=True),
    "test_get_config": lambda d: d.get_config(),
    "test_get_config_filtered": lambda d: [d.get_config(retrieve=r) for r in ("running", "startup", "candidate")][-1],
    "test_get_config_sanitized": lambda d: d.get_config(sanitized=True),
    "test_get_config_sanitized_filtered": lambda d: {
        **{r: d.get_config(retrieve=r, sanitized=True)[r] for r in ("running", "startup")}, "candidate": ""
    },
    "test_is_alive": lambda d: d.is_alive(),
    "test_ping": lambda d: d.ping("8.8.8.8"),
}  # fmt: skip


def file_name(argv: list[str]) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "_", shlex.join(argv))[:150] + ".txt"


class RecordedSession(Session):
    """Answers from the files of one case, whose folder is asked for at every command; a missing file raises."""

    def __init__(self, device: Device, folder: Callable[[], Path]) -> None:
        self.device, self._folder = device, folder

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        path = self._folder() / file_name(argv)
        status = path.with_suffix(".status")
        return Answer(int(status.read_text()) if status.exists() else 0, path.read_text(encoding="utf-8"), "")

    def batch(self, commands: Mapping[str, list[str]], **_: Any) -> dict[str, Answer]:
        return {name: self.run(argv) for name, argv in commands.items()}

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        raise AssertionError("a getter wrote a file")


class Recorder(Session):
    """Passes everything on and keeps what was answered."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.device, self._session, self._folder = session.device, session, folder

    def _kept(self, argv: list[str], answer: Answer) -> Answer:
        path = self._folder / file_name(argv)
        path.write_text(answer.out + answer.err, encoding="utf-8")
        if answer.status:
            path.with_suffix(".status").write_text(f"{answer.status}\n")
        return answer

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        return self._kept(argv, self._session.run(argv, stdin=stdin, timeout_s=timeout_s, root=root))

    def batch(self, commands: Mapping[str, list[str]], **more: Any) -> dict[str, Answer]:
        answers = self._session.batch(commands, **more)
        return {name: self._kept(commands[name], answer) for name, answer in answers.items()}

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        raise AssertionError("a getter wrote a file")


def announced(router: str, *, off: bool = False) -> None:
    """Have a router announce what the suite asks for, or stop it; nothing is saved."""
    no = "no " if off else ""
    lines = [f"{no}ip route {prefix} blackhole" for prefix in ASKED]
    lines += ["router bgp 65000", "address-family ipv4 unicast", *(f"{no}network {prefix}" for prefix in ASKED)]
    words = ["vtysh", "-c", "configure terminal"]
    done = netns.exec_on(router, words + [w for line in lines for w in ("-c", line)])
    assert done.returncode == 0, done.stdout + done.stderr


def live_options(name: str) -> dict[str, Any]:
    """What a NAPALM user gives to reach a router of the running lab."""
    from lab.netns.host_files import public_host_key
    from lab.netns.paths import LOGIN_KEY

    return {"key_file": str(LOGIN_KEY), "host_key": public_host_key(name), "become": "sudo"}


def main(name: str) -> None:
    address = next(r.management_address for r in netns.ROUTERS if r.name == name)
    driver = get_network_driver("frr")
    live = driver(address, "ops", "", optional_args=live_options(name))
    live.open()
    for test, call in CALLS.items():
        folder = FOLDER / "mocked_data" / test / "ring"
        folder.mkdir(parents=True, exist_ok=True)
        recorder = Recorder(live._session, folder)
        result = call(driver(name, "", "", optional_args={"session": recorder}))
        (folder / "expected_result.json").write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
        print(test, json.dumps(result)[:200])
    live.close()


if __name__ == "__main__":
    announced("lang")
    try:
        lab = netns.running_lab()
        assert lab is not None, "python -m lab.netns up"
        netns.wait_converged(lab, print)
        main(sys.argv[1])
    finally:
        announced("lang", off=True)
