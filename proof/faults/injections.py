"""What goes wrong in a run: drawn from a seed, or one death at one place; written down so that it can be repeated."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proof.faults.fault import Fault
from proof.faults.plant import Controller, Plant, Proc, Trap

TARGETS = ("bly", "dekker", "wells")
# Nothing new goes wrong after this; what lasts is mended then.
TROUBLE_S = 300.0
SOON_S = 60.0  # a run without faults takes 30 to 120 s of the play's clock
COMMANDS = (
    "graceful-shutdown|SLIPWAY_DRAIN", "max-metric|SLIPWAY_EXTRA", "reboot", "restart|reload", "ethtool -L", "sysctl",
    "show bgp", "birdc", "vtysh", "write memory|put", "systemd-run", "",
)  # fmt: skip
GATES = {"before": 200, "after": 200, "commit": 80, "statement": 700, "connect": 8}  # about as many as a run has


@dataclass(frozen=True)
class Setting:
    """How many of everything there are in a run."""

    controllers: int = 1
    workers: int = 3
    beats: int = 1


Draw = Callable[[random.Random], Fault]


def _span(rng: random.Random, longest: float = 90.0) -> dict[str, float]:
    return {"at": rng.uniform(0.0, SOON_S), "for_s": rng.uniform(2.0, longest)}


def _trap(what: str) -> Draw:
    def draw(rng: random.Random) -> Fault:
        gate = rng.choice(tuple(GATES))
        params: dict[str, Any] = {"gate": gate, "nth": rng.randint(1, GATES[gate])}
        if what == "freeze":
            params["seconds"] = rng.choice((5.0, 30.0, 80.0, 120.0, 400.0))
        return Fault({"kill": "worker killed", "freeze": "worker stopped"}[what], params)

    return draw


def _commit(rng: random.Random) -> Fault:
    return Fault("commit cut off", {"nth": rng.randint(1, GATES["commit"]), "what": rng.choice(("lost", "refused"))})


def _away(kind: str, longest: float = 90.0) -> Draw:
    return lambda rng: Fault(kind, _span(rng, longest))


def _messages(rng: random.Random) -> Fault:
    return Fault(
        "messages lost, doubled, late",
        {
            "loses": rng.choice((0.0, 0.2, 0.6)),
            "doubles": rng.choice((0.0, 0.5, 1.0)),
            "delays": rng.choice((0.0, 0.5)),
        },
    )


def _clock(rng: random.Random) -> Fault:
    by = rng.choice((-3600.0, -90.0, -5.0, 5.0, 90.0, 3600.0))
    return Fault("clock stepped", {"at": rng.uniform(0.0, SOON_S), "by": by, "back": rng.random() < 0.5})


def _device(kind: str, label: str, **fixed: Any) -> Draw:
    def draw(rng: random.Random) -> Fault:
        params: dict[str, Any] = {"router": rng.choice(TARGETS), "at": rng.uniform(0.0, SOON_S), "behaviour": kind}
        if kind in {"hang", "drop_before", "drop_after", "lie", "garbage_output", "slow"}:
            params |= {"match": rng.choice(COMMANDS), "nth": rng.randint(1, 6)}
        if kind == "hang":
            params["executed"] = rng.random() < 0.5
        if kind == "slow":
            params["seconds"] = rng.choice((3.0, 25.0, 70.0))
        return Fault(label, {**params, **fixed})

    return draw


def _person(rng: random.Random) -> Fault:
    return Fault("a person", {"at": rng.uniform(0.0, SOON_S), "says": rng.choice(("pause", "abort", "roll_back"))})


DRAWS: Sequence[Draw] = (
    _trap("kill"), _trap("kill"), _trap("freeze"), _commit, _away("database away"), _away("Redis killed"),
    _away("disk full"), _away("beat stopped", 300.0), _away("devices cut off"), _messages, _messages, _clock,
    _device("hang", "SSH hangs"), _device("drop_before", "SSH drops before the command"),
    _device("drop_after", "SSH drops after the command"), _device("lie", "device lies"),
    _device("slow", "late answer"), _device("garbage_output", "garbage as output"),
    _device("refuse_login", "login refused"), _device("wrong_host_key", "another host key"),
    _device("reboot_never_returns", "never returns from a restart"),
    _device("bgp_never_converges", "BGP never converges"),
    _device("loses_ospf6_lsas_after_restart", "OSPFv3 LSAs lost"),
    lambda rng: Fault("device panics", {"router": rng.choice(TARGETS), "at": rng.uniform(0.0, SOON_S)}),
    lambda rng: Fault("device's disk full", {"router": rng.choice(TARGETS), **_span(rng, 120.0)}),
    _person,
)  # fmt: skip


def drawn(rng: random.Random) -> tuple[Setting, list[Fault]]:
    """A setting and one to five faults."""
    setting = Setting(rng.choice((1, 1, 2)), rng.choice((1, 2, 3)), rng.choice((1, 1, 2)))
    return setting, [rng.choice(DRAWS)(rng) for _ in range(rng.randint(1, 5))]


def arrange(plant: Plant, setting: Setting, faults: Sequence[Fault], say: Callable[[str], None]) -> None:
    """Open the controllers and have the faults happen. `say` is what a person presses."""
    controllers = [Controller(f"c{n}") for n in range(setting.controllers)]
    for controller in controllers:
        plant.open_controller(controller, workers=setting.workers, beats=setting.beats)
    for n, fault in enumerate(faults):
        _arrange(plant, controllers[n % len(controllers)], fault, say)


_SPANS = {
    "database away": "database_away", "Redis killed": "broker_away", "disk full": "disk_full",
    "beat stopped": "beat_away", "devices cut off": "devices_away",
}  # fmt: skip


def _arrange(plant: Plant, here: Controller, fault: Fault, say: Callable[[str], None]) -> None:
    p, theatre = dict(fault.params), plant.theatre
    match fault.kind:
        case "worker killed":
            plant.traps.append(Trap(p["gate"], p["nth"], "kill"))
        case "worker stopped":
            plant.traps.append(Trap(p["gate"], p["nth"], "freeze", p["seconds"]))
        case "commit cut off":
            plant.traps.append(Trap("commit", p["nth"], p["what"]))
        case "messages lost, doubled, late":
            here.loses, here.doubles, here.delays = p["loses"], p["doubles"], p["delays"]
        case "clock stepped":
            here.steps.append((p["at"], p["by"]))
            if p["back"]:
                here.steps.append((p["at"] + 120.0, -p["by"]))
        case "device panics":
            theatre.spawn("weather", lambda: plant.devices.panic(p["router"]), after=p["at"])
        case "device's disk full":
            until = p["at"] + p["for_s"]
            theatre.spawn("weather", lambda: plant.devices.full_until.update({p["router"]: until}), after=p["at"])
        case "a person":
            web = Proc(f"{here.name}/web", here)  # where it is pressed may be killed as well
            theatre.spawn("web", lambda: say(p["says"]), who=web, after=p["at"])
        case kind if kind in _SPANS:
            getattr(here, _SPANS[kind]).append((p["at"], p["at"] + p["for_s"]))
        case _:
            router, at, behaviour = p.pop("router"), p.pop("at"), p.pop("behaviour")
            theatre.spawn("weather", lambda: plant.devices.inject(router, behaviour, p), after=at)
