"""Which known faults a panic looks like."""

from fleet.core.compat import Advisory, Confidence, Knowledge, Status, Told, Weight
from fleet.core.compat_components import running
from fleet.core.compat_panic import suspects
from fleet.core.versions import Range

ROUTER = {
    "kernel": "5.4.86-amd64-vyos",
    "interfaces": {
        "eth1": {
            "nic": {
                "driver": "i40e", "version": "2.13.10", "flavour": "vendor", "bus": "0000:3b:00.0", "nvm": "8.00",
                "pci": {"vendor": "8086", "device": "1583"},
            }
        }
    },
}  # fmt: skip


def advisory(name: str, component: str = "driver.i40e", versions: str = "*", trace: tuple[str, ...] = ()) -> Advisory:
    made = Range.parse(versions)
    assert isinstance(made, Range)
    return Advisory(
        name, f"about {name}", component, made, "s", "Do this.", Weight.WARN,
        Told("a source", Confidence.HIGH, Status.PUBLISHED), trace=frozenset(trace),
    )  # fmt: skip


def test_what_speaks_of_the_device_and_shows_its_trace_comes_first() -> None:
    leak = advisory("leak", versions="2.13.10", trace=("new_slab", "8021q"))
    other = advisory("other", trace=("i40e_napi_poll",))
    healed = advisory("healed", versions="< 2.12", trace=("new_slab",))
    quiet = advisory("quiet", versions="2.13.10")
    elsewhere = advisory("elsewhere", "driver.ice")
    known = Knowledge((), (quiet, elsewhere, healed, other, leak))
    found = suspects(known, running("bly", ROUTER), {"new_slab", "8021q", "i40e_napi_poll", "i40e"})
    assert [s.advisory.id for s in found] == ["leak", "other", "quiet"]
    assert found[0].sure and "by 8021q, new_slab in the trace. Do this." in found[0].words


def test_of_a_device_that_cannot_be_told_only_a_trace_counts() -> None:
    leak, quiet = advisory("leak", versions="2.13.10", trace=("new_slab",)), advisory("quiet")
    found = suspects(Knowledge((), (leak, quiet)), running("bly", {}), {"new_slab", "i40e"})
    assert [s.advisory.id for s in found] == ["leak"] and not found[0].sure
    assert found[0].words.startswith("possibly leak")


def test_a_panic_that_nobody_knows_is_nobodys() -> None:
    assert suspects(Knowledge((), (advisory("a", trace=("x",)),)), running("bly", ROUTER), {"other"}) == ()
