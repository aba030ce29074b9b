"""Drift of kernels, drivers, firmware and routing suites into requests, by the artifacts that the inventory has.

A profile says which versions are wanted; what is installed comes from an artifact with its digest and place. Of those
that fit the newest is taken. Where none fits, nothing is drafted, and the reason says what to enter.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from fleet.core.model import Json, Reason
from fleet.core.repair_values import Card, Drifted, Means, Offered, Repair, cannot
from fleet.core.versions import Range, Reader, Version

Found = tuple[list[Repair], list[Reason]]
# Debian's package of each suite's daemons.
_PACKAGES: Mapping[str, frozenset[str]] = {"frr": frozenset({"frr"}), "bird": frozenset({"bird", "bird2"})}


def kernels(rows: Sequence[Drifted], cmdlines: Mapping[str, Sequence[Drifted]], words: "Words", means: Means) -> Found:
    """The recipe `kernel`; what is wanted of the command line of the same device goes into the same boot.

    The artifact: kind kernel, a version as dpkg has it, and `brings` with the release: {kind: kernel, name: linux,
    version: 6.1.0-56-amd64}. `cmdlines`: device -> its rows; `words`: what they are as an input.
    """
    made, left = _Made(), []
    for row in rows:
        offered = [(a, _text(a.brought("kernel").get("version"))) for a in means.artifacts if a.kind == "kernel"]
        best = _newest([(a, release) for a, release in offered if release], row.wanted)
        if best is None:
            remedy = f"Enter a kernel {row.wanted} among the artifacts: its .deb, and in what it brings its release, "
            left.append(cannot(row, remedy + '{"kind": "kernel", "name": "linux", "version": "6.1.0-56-amd64"}.'))
            continue
        artifact, release = best
        own = {"release": release, "version": artifact.version, "source": artifact.location, "sha256": artifact.sha256}
        also = cmdlines.get(row.device, ())
        inputs = {**own, "artifact": str(artifact), **({"cmdline": words(also)} if also else {})}
        made.add("kernel", inputs, row, *also)
    return made.requests(), left


Words = Callable[[Sequence[Drifted]], str]


def drivers(rows: Sequence[Drifted], means: Means) -> Found:
    """The recipe `nic-driver`, one request for flavour and version of a family."""
    by_family: dict[tuple[str, str], dict[str, Drifted]] = defaultdict(dict)
    for row in rows:
        _, family, what = row.setting.split(".", 2)
        by_family[row.device, family][what] = row
    made, left = _Made(), []
    for (device, family), wishes in sorted(by_family.items()):
        flavour, version = wishes.get("flavour"), wishes.get("version")
        if flavour is not None and flavour.wanted == "in-tree":
            made.add("nic-driver", {"driver": family, "flavour": "in-tree"}, flavour)
            if version is not None:
                left.append(cannot(version, "The kernel's own driver has the version of its kernel: look again then."))
            continue
        first = version or flavour
        assert first is not None
        now = {card.flavour for card in means.cards if (card.device, card.family) == (device, family)}
        if flavour is None and now != {"vendor"}:
            left.append(cannot(first, f"Say whose driver it is: driver.{family}.flavour in the same profile."))
            continue
        inputs = _vendor(family, version.wanted if version is not None else "*", means)
        if inputs is None:
            remedy = f"Enter a driver {family} {first.wanted} among the artifacts, or a package that brings it."
            left.append(cannot(first, remedy))
        else:
            made.add("nic-driver", inputs, *wishes.values())
    return made.requests(), left


def _vendor(family: str, wanted: Json, means: Means) -> dict[str, Json] | None:
    """Inputs for a vendor's driver: a package for apt, or a tarball of dkms with its digest."""
    fits = []
    for one in means.artifacts:
        inside = one.brought("driver", family)
        if one.kind == "driver" and one.name == family and one.location.startswith("/"):
            fits.append((one, one.version))
        elif one.kind == "package" and inside.get("flavour") == "vendor":
            fits.append((one, _text(inside.get("version"))))
    best = _newest(fits, wanted)
    if best is None:
        return None
    artifact, version = best
    brought: dict[str, Json] = {"package": f"{artifact.name}={artifact.version}"}
    if artifact.kind == "driver":
        brought = {"tarball": artifact.location, "sha256": artifact.sha256}
    said = {"driver": family, "flavour": "vendor", "version": version}
    return {**said, **brought, "artifact": str(artifact), "intended": f"driver.{family}"}


def firmware(rows: Sequence[Drifted], means: Means) -> Found:
    """The recipe `nic-firmware`, one request for each card: flashed one at a time.

    The artifact says how it is flashed where it says what it brings: {kind: firmware, name: FAMILY, version, tool,
    config, config_sha256, component}; its location is the image on the devices.
    """
    made, left = _Made(), []
    for row in rows:
        family = row.setting.split(".")[1]
        offered = [(a, a.version) for a in means.artifacts if a.kind == "firmware" and a.name == family]
        best = _newest(offered, row.wanted, Version.nvm)
        cards = [c for c in means.cards if (c.device, c.family) == (row.device, family) and _is_out(c, row.wanted)]
        how = best[0].brought("firmware", family) if best else {}
        if best is None or not how.get("tool"):
            remedy = f"Enter a firmware {family} {row.wanted} among the artifacts, and how it is flashed in what it "
            example = f'{{"kind": "firmware", "name": "{family}", "version": "8.30", "tool": "devlink"}}'
            left.append(cannot(row, f"{remedy}brings: {example} (nvmupdate: config and config_sha256 as well)."))
            continue
        if not cards:
            left.append(cannot(row, f"No port with {family} is known by name: collect the device again."))
        own = {"version": best[1], "file": best[0].location, "sha256": best[0].sha256, "artifact": str(best[0])}
        more = {
            key: _text(how[key]) for key in ("tool", "config", "config_sha256", "component", "program") if key in how
        }
        for card in cards:
            made.add("nic-firmware", {**more, **own, "interface": card.interface}, row)
    return made.requests(), left


def _is_out(card: Card, wanted: Json) -> bool:
    """Does this card run another firmware than is wanted, as far as it says?"""
    versions, now = Range.parse(str(wanted), Version.nvm), Version.nvm(card.nvm)
    return not isinstance(versions, Reason) and not isinstance(now, Reason) and not versions.holds(now)


def suites(rows: Sequence[Drifted], means: Means) -> Found:
    """The recipe `suite-upgrade` for another version of the suite that is there."""
    made, left = _Made(), []
    for row in rows:
        suite = means.suites.get(row.device, "")
        fits = []
        for one in means.artifacts:
            if one.kind == "package" and (inside := _text(one.brought("routing", suite).get("version"))):
                fits.append((one, inside))
            elif one.kind == "package" and one.name in _PACKAGES.get(suite, ()):
                fits.append((one, one.version))
        best = _newest(fits, row.wanted) if suite else None
        if best is None:
            remedy = f"Enter a package of {suite or 'its suite'} {row.wanted} among the artifacts."
            left.append(cannot(row, remedy))
            continue
        named = {"package": best[0].name, "version": best[0].version, "artifact": str(best[0])}
        made.add("suite-upgrade", {**named, "intended": f"routing.{suite}"}, row)
    return made.requests(), left


def _newest(
    offered: Iterable[tuple[Offered, str]], wanted: Json, read: Reader = Version.parse
) -> tuple[Offered, str] | None:
    """The newest of those whose version is in the range; None: none is, or the range cannot be read."""
    versions = Range.parse(str(wanted), read)
    if isinstance(versions, Reason):
        return None
    fits = []
    for artifact, text in offered:
        version = read(text)
        if not isinstance(version, Reason) and versions.holds(version):
            fits.append((version, str(artifact), artifact, text))
    if not fits:
        return None
    _, _, artifact, text = max(fits, key=lambda one: (one[0].key, one[1]))
    return artifact, text


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


class _Made:
    """Requests by recipe and inputs: devices that need the same are targets of one."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[tuple[str, str], ...]], list[Drifted]] = defaultdict(list)

    def add(self, recipe: str, inputs: Mapping[str, Json], *rows: Drifted) -> None:
        self._rows[recipe, tuple(sorted((k, str(v)) for k, v in inputs.items()))] += rows

    def requests(self) -> list[Repair]:
        return [
            Repair(recipe, dict(inputs), tuple(sorted({row.device for row in rows})), tuple(rows))
            for (recipe, inputs), rows in sorted(self._rows.items())
        ]
