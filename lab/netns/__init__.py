"""A ring of six real routers (FRR and BIRD, each with its own systemd) on one Linux machine, for tests and demos.

    from lab import netns

    if not netns.reasons_unavailable():
        lab = netns.up(print)            # Lab: inventory_path, login_key, routers
        netns.exec_on("bly", ["vtysh", "-c", "show bgp summary"]).stdout
        probes = netns.Probes.start()
        probes.mark("something happens")
        probes.stop().summary()          # lost packets per router and family, and when
        netns.down()

See README.md in this folder.
"""

from lab.netns.command import LabError
from lab.netns.lifecycle import Lab, down, exec_on, running_lab, up, wait_converged
from lab.netns.probes import Count, Mark, ProbeResult, Probes, Refusal, Run
from lab.netns.requirements import reasons_unavailable
from lab.netns.topology import FLOWS, ROUTERS, Flow, Router

__all__ = [
    "FLOWS",
    "ROUTERS",
    "Count",
    "Flow",
    "Lab",
    "LabError",
    "Mark",
    "ProbeResult",
    "Probes",
    "Refusal",
    "Router",
    "Run",
    "down",
    "exec_on",
    "reasons_unavailable",
    "running_lab",
    "up",
    "wait_converged",
]
