"""Drift of the data plane into requests: recipe `vpp` with its inputs out of the intent, and `vpp-change`."""

from collections.abc import Callable, Mapping, Sequence

from fleet.core import intent_vpp
from fleet.core.model import Json, Reason
from fleet.core.repair_values import Drifted, Means, Repair, cannot

KIND, CONFIG = "dataplane.kind", "dataplane.config"
# Settings of the intent > inputs of the recipe. What is not said has the recipe's default.
_INPUTS: Mapping[str, str] = {
    "dataplane.access": "dataplane", "dataplane.keep": "keep", "dataplane.workers": "workers",
    "dataplane.routes": "routes", "dataplane.buffers": "buffers", "dataplane.loopback6": "loopback6",
    "dataplane.members": "members",
}  # fmt: skip
_CMDLINE = "kernel.cmdline."
_NO_WAY_BACK = (
    "No recipe goes from VPP back to the kernel but the way back of the change that brought it: roll that back, or do "
    "it by hand."
)
Words = Callable[[Sequence[Drifted]], str]


def requests(
    rows: Sequence[Drifted], cmdlines: Mapping[str, Sequence[Drifted]], words: Words, means: Means
) -> tuple[list[Repair], list[Reason]]:
    """The recipe `vpp` for routers that forward with their kernel, `vpp-change` for those whose VPP is configured
    otherwise. What is wanted of the command line goes into the boot of the recipe `vpp`.

    `means.wanted`: device -> all that is wanted of its data plane and command line, drifted or not.
    """
    made: dict[str, tuple[str, Mapping[str, Json], list[Drifted]]] = {}
    left: list[Reason] = []
    for row in rows:
        wanted = means.wanted.get(row.device, {})
        if row.setting == CONFIG:
            found = _change(row)
        elif row.wanted == "vpp":
            found = _to_vpp(row, wanted, words)
        else:
            found = cannot(row, _NO_WAY_BACK)
        if isinstance(found, Reason):
            left.append(found)
            continue
        recipe, inputs = found
        also = cmdlines.get(row.device, ()) if recipe == "vpp" else ()
        key = f"{recipe} {intent_vpp.text_of(inputs)}"
        made.setdefault(key, (recipe, inputs, []))[2].extend((row, *also))
    return [
        Repair(recipe, inputs, tuple(sorted({row.device for row in some})), tuple(some))
        for _, (recipe, inputs, some) in sorted(made.items())
    ], left


def _change(row: Drifted) -> tuple[str, Mapping[str, Json]] | Reason:
    if intent_vpp.a_config(row.wanted) is not None:
        return cannot(row, "The profile's configuration cannot be read: correct it.")
    return "vpp-change", {"config": intent_vpp.text_of(row.wanted)}


def _to_vpp(row: Drifted, wanted: Mapping[str, Json], words: Words) -> tuple[str, Mapping[str, Json]] | Reason:
    if not wanted.get("dataplane.keep"):
        return cannot(row, "Say which interfaces stay with the kernel: dataplane.keep in the same profile.")
    line = [
        Drifted(row.device, setting, value, None)
        for setting, value in sorted(wanted.items())
        if setting.startswith(_CMDLINE) and isinstance(value, str | bool)
    ]
    if not line:
        remedy = (
            "Say what the boot before needs: kernel.cmdline.isolcpus and kernel.cmdline.hugepages; the plan of the "
        )
        return cannot(row, f"{remedy}recipe vpp names both.")
    said = {name: wanted[setting] for setting, name in _INPUTS.items() if wanted.get(setting) is not None}
    return "vpp", {**said, "cmdline": words(line)}
