"""What ethtool shows of a virtual card beside channels and rings: hash, coalescing, offloads, private flags. Pure.

Texts as recorded of virtio_net and veth (ethtool 6.1); those of i40e by the formats of the same program.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from lab.sim.reply import Reply
from lab.sim.router import Nic

_NO = Reply(err="netlink error: Operation not supported\n", status=1)
_ON = {
    "i40e": "rx tx sg tso gso gro rxvlan txvlan rxhash",
    "virtio_net": "rx tx sg tso gso gro",
    "veth": "rx tx sg tso gso",
}
_FIXED = {"i40e": "lro", "virtio_net": "rx lro rxvlan txvlan ntuple rxhash", "veth": "lro ntuple rxhash"}
_FEATURES = {
    "rx-checksumming": "rx", "tx-checksumming": "tx", "scatter-gather": "sg", "tcp-segmentation-offload": "tso",
    "generic-segmentation-offload": "gso", "generic-receive-offload": "gro", "large-receive-offload": "lro",
    "rx-vlan-offload": "rxvlan", "tx-vlan-offload": "txvlan", "ntuple-filters": "ntuple", "receive-hashing": "rxhash",
}  # fmt: skip
_COALESCE = """\
Coalesce parameters for {ifname}:
Adaptive RX: {adaptive}  TX: {adaptive}
stats-block-usecs: n/a
sample-interval: n/a
pkt-rate-low: n/a
pkt-rate-high: n/a

rx-usecs: {usecs}
rx-frames: n/a
rx-usecs-irq: n/a
rx-frames-irq: n/a

tx-usecs: {usecs}
tx-frames: n/a
tx-usecs-irq: n/a
tx-frames-irq: n/a

"""
_FLOWS = {"tcp4": "TCP over IPV4", "udp4": "UDP over IPV4", "tcp6": "TCP over IPV6", "udp6": "UDP over IPV6"}
_FLOWS |= {"esp4": "IPSEC AH/ESP over IPV4", "esp6": "IPSEC AH/ESP over IPV6"}


def show(nic: Nic, option: str, rest: Sequence[str], *, seed: str) -> Reply | None:
    """The answer to one of -x, -c, -k, --show-priv-flags, -n TYPE; None: another option. `seed`: of the RSS key."""
    match option, list(rest):
        case "-x" | "--show-rxfh-indir", []:
            return Reply(_hash(nic, seed)) if nic.driver != "veth" else _no_rings()
        case "-c" | "--show-coalesce", []:
            return Reply(_COALESCE.format(ifname=nic.ifname, adaptive="on", usecs=50)) if nic.driver == "i40e" else _NO
        case "-k" | "--show-features", []:
            return Reply(_features(nic.ifname, nic.driver))
        case "--show-priv-flags", []:
            flags = "disable-fw-lldp: off\nlegacy-rx      : off\nvf-true-promisc-support: off\n"
            return Reply(f"Private flags for {nic.ifname}:\n{flags}") if nic.driver == "i40e" else _NO
        case "-n" | "--show-nfc", ["rx-flow-hash", kind] if kind in _FLOWS:
            return _flow(nic, kind)
        case _:
            return None


def _no_rings() -> Reply:
    return Reply(err="Cannot get RX ring count: Operation not supported\n", status=1)


def _hash(nic: Nic, seed: str) -> str:
    queues = nic.channels.get("combined", 1)
    if nic.driver != "i40e":
        table, key = "Operation not supported\n", "Operation not supported\n"
    else:
        digits = hashlib.sha512(f"{seed}/{nic.ifname}".encode()).hexdigest()
        table, key = (
            _table(int(nic.custom.get("equal", queues))),
            ":".join(digits[n : n + 2] for n in range(0, 104, 2)) + "\n",
        )
    head = f"RX flow hash indirection table for {nic.ifname} with {queues} RX ring(s):\n"
    return f"{head}{table}RSS hash key:\n{key}RSS hash function:\n    toeplitz: on\n    xor: off\n    crc32: off\n"


@lru_cache(maxsize=64)
def _table(queues: int) -> str:
    """512 buckets, as a PF of an X710 has them."""
    rows = (f"{at:5}: " + "".join(f" {(at + n) % queues:5}" for n in range(8)) for at in range(0, 512, 8))
    return "\n".join(rows) + "\n"


@lru_cache(maxsize=4096)
def _features(ifname: str, driver: str) -> str:
    on, fixed = _ON.get(driver, "").split(), _FIXED.get(driver, "").split()
    rows = (f"{k}: {'on' if v in on else 'off'}{' [fixed]' if v in fixed else ''}" for k, v in _FEATURES.items())
    return f"Features for {ifname}:\n" + "\n".join(rows) + "\ntx-fcoe-segmentation: off [fixed]\n"


def _flow(nic: Nic, kind: str) -> Reply:
    if nic.driver == "veth":
        return Reply(err="Cannot get RX network flow hashing options: Operation not supported\n", status=1)
    fields = ["None"]
    if nic.driver == "i40e":
        ports = ["L4 bytes 0 & 1 [TCP/UDP src port]", "L4 bytes 2 & 3 [TCP/UDP dst port]"]
        fields = ["IP SA", "IP DA", *(ports if not kind.startswith("esp") else [])]
        if (letters := nic.custom.get(f"hash {kind}")) is not None:
            fields = [f for c, f in zip("sdfn", ["IP SA", "IP DA", *ports], strict=True) if c in letters]
    return Reply(f"{_FLOWS[kind]} flows use these fields for computing Hash flow key:\n" + "\n".join(fields) + "\n\n")
