"""From drift to requests: one per thing to do, with exactly the interfaces that drifted."""

from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.repair import Drifted, patterns, repairs


def queues(device: str, interface: str, wanted: int = 8) -> Drifted:
    return Drifted(device, f"nic.queues[{interface}]", wanted, 4)


def test_devices_that_need_the_same_are_targets_of_one_request() -> None:
    made = repairs([queues("bly", "eth2"), queues("aebi", "eth1"), queues("bly", "eth1"), queues("aebi", "eth2")])
    (one,) = made.requests
    assert (one.recipe, one.inputs, one.targets) == (
        "nic-queues", {"queues": 8, "interface": "eth[12]"}, ("aebi", "bly"),
    )  # fmt: skip
    assert len(one.repairs) == 4 and made.left == ()


def test_what_differs_is_asked_for_apart() -> None:
    made = repairs([queues("bly", "eth1"), queues("bly", "eth2", 4), queues("aebi", "ens1f0")])
    assert [(r.inputs["queues"], r.inputs["interface"], r.targets) for r in made.requests] == [
        (4, "eth2", ("bly",)), (8, "ens1f0", ("aebi",)), (8, "eth1", ("bly",)),
    ]  # fmt: skip


def test_kernel_settings_of_a_device_go_together() -> None:
    rows = [Drifted(d, f"kernel.sysctl.{k}", v, 0) for d in ("a", "b") for k, v in (("net.y", "1 2"), ("net.x", 1))]
    (one,) = repairs(rows).requests
    assert (one.recipe, one.inputs, one.targets) == ("sysctl", {"settings": "net.x = 1\nnet.y = 1 2"}, ("a", "b"))


def test_parameters_of_the_command_line_go_together_in_one_boot() -> None:
    wanted = {"isolcpus": "2-3,8-9", "quiet": False, "nosmt": True}
    rows = [Drifted(d, f"kernel.cmdline.{name}", value, None) for d in ("a", "b") for name, value in wanted.items()]
    (one,) = repairs([*rows, Drifted("a", "kernel.cmdline.dyndbg", "file x +p", None)]).requests
    assert (one.recipe, one.targets) == ("kernel-cmdline", ("a", "b"))
    assert one.inputs == {"cmdline": "-quiet isolcpus=2-3,8-9 nosmt"}


def test_what_no_recipe_repairs_says_so() -> None:
    made = repairs(
        [
            Drifted("bly", "kernel.version", "6.1.*", "5.10.46"),
            Drifted("bly", "kernel.sysctl.a", "1\nkernel.core_pattern = |/bin/sh", "1"),
            Drifted("bly", "nic.queues", 8, 4),
        ]
    )
    assert made.requests == ()
    assert len(made.left) == 3
    assert str(made.left[0]).startswith("bly, kernel.sysctl.a:") and "No recipe repairs" in str(made.left[0])
    kernel = str(made.left[1])
    assert kernel.startswith("bly, kernel.version: found 5.10.46, wanted 6.1.*. Enter a kernel 6.1.* among the artif")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.from_regex(r"\A(eth|ens1f|swp)[0-9a]{1,2}(\.[12])?\Z"), max_size=8), st.integers(0, 3))
def test_patterns_match_each_name_once_and_no_other(names: set[str], extra: int) -> None:
    made = patterns(names)
    assert sorted(name for _, chosen in made for name in chosen) == sorted(names)
    others = {f"{name[:-1]}{extra}" for name in names} | {f"{name}{extra}" for name in names}
    for name in names | others:
        assert sum(fnmatchcase(name, pattern) for pattern, _ in made) == (name in names)


def test_no_letter_of_a_pattern_means_something_else() -> None:
    for names in ({"e!", "ea"}, {"e^", "eb"}, {"e-1", "ea1", "ez1"}):
        for name in (*names, "ex", "em1"):
            assert sum(fnmatchcase(name, pattern) for pattern, _ in patterns(names)) == (name in names)
