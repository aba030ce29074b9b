"""Is what was found what was wanted? True, False, or why that cannot be told. One rule per shape of value. Pure."""

import re
from collections.abc import Callable, Mapping

from fleet.core import intent_vpp
from fleet.core.intent_settings import cpus
from fleet.core.model import Json, Reason
from fleet.core.versions import Range, Version

Answer = bool | str
# Vectors of queues by the names that drivers give them: i40e-eth1-TxRx-0, eth1-rx-3, mlx5_comp2@pci, virtio0-input.0.
# The others (misc, fdir, async, err, notify, config) carry no packets and stay where they are.
_QUEUE = re.compile(r"^(?!.*fdir).*(TxRx|[-.][rt]x\b|comp[0-9]|input|output|[Qq]ueue)")
_TRUTHS = {"on": True, "off": False, "yes": True, "no": False, True: True, False: False}


def equal(pattern: str, wanted: Json, found: Json) -> Answer:
    """`found` is never None here; what has another shape than its setting cannot be told. Never raises."""
    return _RULES.get(pattern, _number)(wanted, found)


def _strange(found: Json) -> str:
    if found is None:
        return "not told by every card"
    text = repr(found)
    return f"what was seen cannot be read: {text if len(text) <= 80 else text[:77] + '...'}"


def _number(wanted: Json, found: Json) -> Answer:
    if isinstance(found, bool) or not isinstance(found, int):
        # Receive and transmit that are not alike are not the one number that was wanted.
        return False if isinstance(found, Mapping) and set(found) == {"rx", "tx"} else _strange(found)
    return bool(wanted == found)


def _truth(wanted: Json, found: Json) -> Answer:
    if isinstance(found, Mapping):
        found = found.get("on", found.get("active"))  # {"on": true, "fixed": true}
    known = found in _TRUTHS if isinstance(found, str | bool) else False
    return wanted is _TRUTHS[found] if known else _strange(found)


def _truth_or_number(wanted: Json, found: Json) -> Answer:
    return _truth(wanted, found) if isinstance(wanted, bool) else _number(wanted, found)


def _exactly(wanted: Json, found: Json) -> Answer:
    if isinstance(found, Mapping) and found:  # interface -> value: the cards of a family differ among themselves
        return _of_all([_exactly(wanted, one) for one in found.values()])
    if not isinstance(found, str | bool):
        return _strange(found)
    return type(wanted) is type(found) and bool(wanted == found)


def _sysctl(wanted: Json, found: Json) -> Answer:
    """Runs of white space count as one space, as the kernel prints tabs where people write spaces."""
    if isinstance(found, bool) or not isinstance(found, str | int):
        return _strange(found)
    return str(wanted).split() == str(found).split()


def _of_all(answers: list[Answer]) -> Answer:
    """False when one is false, whatever the others; else the first that cannot be told; else True."""
    if any(one is False for one in answers):
        return False
    return next((one for one in answers if isinstance(one, str)), True)


def _version(read: Callable[[str], Version | Reason]) -> Callable[[Json, Json], Answer]:
    def judge(wanted: Json, found: Json) -> Answer:
        if isinstance(found, Mapping) and found:
            return _of_all([judge(wanted, one) for one in found.values()])
        range_ = Range.parse(wanted, read) if isinstance(wanted, str) else None
        if range_ is None or isinstance(range_, Reason):
            return f"the wish cannot be read: {str(wanted)[:80]!r} is no version"
        if found is None:
            return _strange(found)
        seen = read(found) if isinstance(found, str) else None
        if seen is None or isinstance(seen, Reason):
            return f"what was seen cannot be read: {str(found)[:80]!r} is no version"
        return range_.holds(seen)

    return judge


_by_version = _version(Version.parse)


def _module(wanted: Json, found: Json) -> Answer:
    """true: loaded in any version; false: not loaded; a text: loaded in such a version."""
    if not isinstance(found, str | bool):
        return _strange(found)
    if isinstance(wanted, bool):
        return wanted is (found is not False)
    if found is True:
        return "the module says no version"
    return found is not False and _by_version(wanted, found)


def _key(wanted: Json, found: Json) -> Answer:
    return str(wanted).lower() == found.lower() if isinstance(found, str) else _strange(found)


def _letters(wanted: Json, found: Json) -> Answer:
    return set(str(wanted)) == set(found) if isinstance(found, str) else _strange(found)


def _indirection(wanted: Json, found: Json) -> Answer:
    if not isinstance(found, list) or not found or not all(isinstance(queue, int) for queue in found):
        return _strange(found)
    if isinstance(wanted, Mapping):  # bucket i goes to queue i mod N (ethtool_rxfh_indir_default of the kernel)
        queues = wanted.get("equal")
        if not isinstance(queues, int) or queues < 1:
            return _strange(wanted)
        return all(queue == bucket % queues for bucket, queue in enumerate(found))
    return bool(wanted == found)


def _same_cpus(name: str, wanted: Json, found: Mapping[str, Json]) -> Answer:
    """Exactly these CPUs under this name."""
    if name not in found:
        return f"not seen: {name[:80]}"
    seen = cpus(found[name])
    return _strange(found[name]) if seen is None else seen == cpus(wanted)


def _cpus(*, within: bool) -> Callable[[Json, Json], Answer]:
    """`within`: one list for all means that each takes some of these CPUs; else that each has exactly these."""

    def one(wanted: frozenset[int] | None, found: Json) -> Answer:
        seen = cpus(found)
        if seen is None or wanted is None:
            return _strange(found)
        return bool(seen) and seen <= wanted if within and wanted else seen == wanted

    def judge(wanted: Json, found: Json) -> Answer:
        if not isinstance(found, Mapping):
            return one(cpus(wanted), found) if not isinstance(wanted, Mapping) else _strange(found)
        if isinstance(wanted, Mapping):
            return _of_all([_same_cpus(name, want, found) for name, want in wanted.items()])
        if not found:
            return _strange(found)
        chosen = [value for name, value in found.items() if _QUEUE.search(name)] if within else []
        return _of_all([one(cpus(wanted), value) for value in chosen or found.values()])

    return judge


_RULES: Mapping[str, Callable[[Json, Json], Answer]] = {
    "nic.rss.key": _key,
    "nic.rss.indir": _indirection,
    "nic.flow_hash.<protocol>": _letters,
    "nic.coalesce.<name>": _truth_or_number,
    "nic.offload.<name>": _truth,
    "nic.priv_flags.<name>": _truth,
    "nic.affinity": _cpus(within=True),
    "nic.rps": _cpus(within=False),
    "nic.xps": _cpus(within=False),
    "kernel.version": _by_version,
    "kernel.cmdline.<parameter>": _exactly,
    "kernel.sysctl.<key>": _sysctl,
    "kernel.modules.<module>": _module,
    "driver.<family>.flavour": _exactly,
    "driver.<family>.version": _by_version,
    "firmware.<family>.nvm": _version(Version.nvm),
    "routing.suite": _exactly,
    "routing.suite_version": _by_version,
    "dataplane.kind": _exactly,
    "dataplane.config": lambda wanted, found: intent_vpp.holds(found, wanted),
    "adapter.policy": _exactly,
}
