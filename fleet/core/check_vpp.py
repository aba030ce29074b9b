"""The check of VPP: where it forwards, its control plane answers. Pure."""

from collections.abc import Mapping

from fleet.core.check_reading import Judged, at, bad_expect, untold_reason, verdict_of
from fleet.core.check_routing import bfd
from fleet.core.model import Json, Reason


def vpp(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """PASS where the kernel forwards, and where VPP answers; FAIL when it hangs (it may forward on), or is gone.

    Where VPP forwards, the BFD sessions of the baseline are asked for as well: they run over what it punts.

    "vpp" of a measurement: {"running": is its socket there, "version": null when nothing answered within 5 s}.
    """
    if expect is not None:
        return bad_expect("vpp", expect, "nothing: it takes no expectation")
    before, found = baseline.get("vpp"), now.get("vpp")
    if not isinstance(found, Mapping) or not isinstance(before, Mapping):
        return verdict_of((), (untold_reason("vpp", "vpp", baseline if isinstance(found, Mapping) else now),))
    if not found.get("running"):
        gone = Reason("VPP", "not there", "running as in the baseline", "See its log.")
        return verdict_of((gone,) if before.get("running") else (), ())
    if isinstance(found.get("version"), str):
        return bfd(baseline, now, None) if at(baseline, "bfd", "peers") else verdict_of((), ())
    remedy = "Its main thread hangs: it may forward on, and routes reach it no more. Go back to the kernel."
    return verdict_of((Reason("control plane of VPP", "no answer", "an answer within 5 s", remedy),), ())
