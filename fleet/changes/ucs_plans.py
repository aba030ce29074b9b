"""What a plan would do to blades: findings on the policies and packs that its steps bind. Reads rows only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fleet.core import ucs, ucs_reach
from fleet.core.model import Finding, PlannedStep
from fleet.core.ucs import Policy
from inventory import ucs_values
from inventory.models import UcsDomain

_VERB = "ucs"


def look(steps: Mapping[str, Sequence[PlannedStep]]) -> list[Finding]:
    """Findings about every policy that the plan binds; three queries, none where no step is about UCS."""
    planned = {
        name: dict(step.expected[_VERB]) for name, row in steps.items() for step in row if step.verb == _VERB
        if _VERB in step.expected
    }  # fmt: skip
    if not planned:
        return []
    profiles = ucs_values.profiles_of(planned)
    versions = dict(
        UcsDomain.objects.filter(service_profiles__router__name__in=list(planned)).values_list(
            "service_profiles__router__name", "version"
        )
    )
    table = ucs_values.limits_table()
    groups: dict[tuple[str, str, Policy], list[str]] = {}
    packs: dict[tuple[str, str], list[str]] = {}
    for name, aim in planned.items():
        if aim["policy"] is not None:
            key = (str(aim["copy"]), versions.get(name, ""), Policy(**aim["policy"]))
            groups.setdefault(key, []).append(name)
        elif aim["pack"] is not None:  # with queues as well, what would reboot by itself is named by those
            packs.setdefault((str(aim["pack"]["name"]), str(aim["pack"]["bundle"])), []).append(name)
    found: list[Finding] = []
    for (pack, bundle), names in packs.items():
        found += ucs_reach.reboots(
            f"host firmware pack {pack} ({bundle})", [profiles[n] for n in names if n in profiles]
        )
    for (copy, version, policy), names in groups.items():
        # As they will be: bound to the copy, which nobody else is.
        bound = [
            replace(profiles[n], policies=tuple(copy for _ in planned[n]["vnics"])) for n in names if n in profiles
        ]
        found += ucs.illegal(policy, version)
        found += ucs_reach.findings(copy, policy, bound, meant=[p.dn for p in bound], table=table)
    return found
