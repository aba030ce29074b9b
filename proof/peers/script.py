"""The script that an engineer writes: nornir's threads and netmiko's `send_command`; the same change, no database.

python -m proof.peers.script set|restart --hosts FILE --key FILE [--many]

Facts are asked by one command after the other. It checks no host key (netmiko's
default), records nothing, puts nothing back, and where a host fails its exception is all that is known.
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from netmiko import ConnectHandler
from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from playbooks.facts import commands
from proof.peers.targets import AFTER, DRAINED, KEY, UNDRAINED

LONGEST = 70  # a terminal of 80 characters breaks longer ones, and netmiko does not find their echo again
SWITCHES = "/etc/bird/slipway-drain.conf"


class Wrong(RuntimeError):
    """A host is not as it should be."""


def expect(session: Any, command: str, wanted: str, *, tries: int = 1) -> None:
    for _ in range(tries):
        found = session.send_command(command, read_timeout=30)
        if wanted in found:
            return
        time.sleep(1)
    raise Wrong(f"{command}: found {found!r}, wanted {wanted!r}")


def switches(session: Any, text: str, cost: str) -> None:
    session.send_command(f"printf %s {shlex.quote(text)} > {SWITCHES}".replace("\n", "\\n").replace("%s", "%b"))
    session.send_command("birdc configure")
    expect(session, "birdc eval SLIPWAY_EXTRA_COST", cost)


def questions() -> list[str]:
    """The facts: what Slipway's baseline asks, without its scripts of more than one line, which nobody types."""
    lines = [shlex.join(argv) for argv in commands.facts("bird").values()]
    each = commands.FACTS_PER_INTERFACE.values()
    lines += [shlex.join([*argv, name]) for argv in each for name in ("eth0", "stub0")]
    return [line for line in lines if len(line) <= LONGEST and "\n" not in line]


def change(session: Any, what: str) -> None:
    """Facts, drained, changed, verified, undrained."""
    for line in questions():
        session.send_command(line, read_timeout=60)
    expect(session, "birdc show ospf ospf4", "Number of LSAs")
    switches(session, DRAINED, "60000")
    if what == "set":
        session.send_command(f"echo {KEY} = {AFTER} > /etc/sysctl.d/80-peers.conf")
        session.send_command(f"sysctl -w {KEY}={AFTER}")
        expect(session, f"sysctl -n {KEY}", AFTER)
    else:
        session.send_command("systemctl restart bird", read_timeout=60)
    expect(session, "birdc show ospf ospf4", "Number of LSAs", tries=60)
    switches(session, UNDRAINED, "\n0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("set", "restart"))
    parser.add_argument("--hosts", type=Path, required=True, help="JSON: name -> address")
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    hosts: dict[str, str] = json.loads(options.hosts.read_text())

    def one(task: Task) -> Result:
        login = {"host": hosts[task.host.name], "username": "root", "use_keys": True, "key_file": options.key}
        with ConnectHandler(device_type="linux", **login) as session:
            change(session, options.what)
        return Result(host=task.host)

    inventory = Inventory(Hosts({name: Host(name) for name in hosts}), Groups(), Defaults())
    at_once = len(hosts) if options.what == "set" else 5
    nornir = Nornir(inventory=inventory, config=Config(), runner=ThreadedRunner(num_workers=at_once))
    results = nornir.run(task=one)
    failed = {name: str(result[0].exception)[:160] for name, result in results.items() if result.failed}
    json.dump({"failed": failed}, sys.stdout)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
