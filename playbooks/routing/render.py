"""The candidate configuration, its diff and its digest, and the files that let a router put itself back. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import unified_diff

from fleet.core.model import Json, Reason
from playbooks import device_templates, frr_tree
from playbooks.base import Impossible

STATE = "/var/lib/slipway"
FRR_CONF = "/etc/frr/frr.conf"
BIRD_CONF = "/etc/bird/bird.conf"
# Beside bird.conf, so that its relative includes are the same, and without the ending that an include of *.conf takes.
BIRD_CANDIDATE = "/etc/bird/bird.conf.candidate"
RELOAD = ["/usr/lib/frr/frr-reload.py"]
RELOAD_OPTIONS = ["--bindir", "/usr/bin", "--confdir", "/etc/frr"]

_SECRET = re.compile(r"(?i)password|passphrase|secret|md5|auth|\bkey\b|key-string|snmp-server community|\(redacted\)")
_VALUE = re.compile(
    r"(?i)^(.*?\b(?:password|passphrase|secret|md5|auth_pass|authentication|key-string|key|snmp-server community))\b"
    r"\s+\S.*$"
)
# What a drain changes in between: the approved configuration is the same with and without it.
_DRAIN = re.compile(
    r"bgp graceful-shutdown|max-metric router-lsa administrative|set-overload-bit|(ipv6 ospf6|ip ospf) cost \d+|"
    r"neighbor \S+ weight \d+"
)
_HEADER = re.compile(r"frr version .*|frr defaults .*|end")


@dataclass(frozen=True)
class Section:
    """What is wanted: a named section of statements to be there, and (FRR) statements not to be there."""

    name: str
    add: str
    remove: str = ""

    def digest(self) -> str:
        return _sha256("\0".join((self.name, self.add, self.remove)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- candidates


def frr_candidate(config: str, section: Section) -> str:
    """The whole configuration with the section's statements in their blocks."""
    nodes = frr_tree.removed(frr_tree.parse(config), frr_tree.parse(section.remove))
    return frr_tree.text(frr_tree.added(nodes, frr_tree.parse(section.add)))


def frr_missing(config: str, section: Section) -> tuple[Reason, ...]:
    """What of the section is not so in a running configuration."""
    nodes = frr_tree.parse(config)
    leaves, everything = set(frr_tree.leaves(nodes)), set(frr_tree.paths(nodes))
    missing = [path for path in frr_tree.leaves(frr_tree.parse(section.add)) if path not in everything]
    left = [path for path in frr_tree.leaves(frr_tree.parse(section.remove)) if path in leaves | everything]
    remedy = "Write statements as `show running-config` prints them."
    return (
        *(Reason(_shown(path), "not in the running configuration", "this statement", remedy) for path in missing),
        *(Reason(_shown(path), "still in the running configuration", "no such statement") for path in left),
    )


def _shown(path: Iterable[str]) -> str:
    return redacted(" / ".join(path))


def constant(section: Section) -> tuple[str, str]:
    """Name and value of the constant by which a running BIRD shows which version of a section it has in effect.

    `birdc` cannot show the configuration that runs; it can evaluate a constant of it. 28 bits: BIRD's numbers have 32.
    """
    name = re.sub(r"[^A-Z0-9]", "_", section.name.upper())
    return f"SLIPWAY_SECTION_{name}", str(int(section.digest()[:7], 16))


def bird_candidate(config: str, section: Section) -> str:
    """The whole configuration with the marked section replaced where it stands, or added at the end."""
    begin, end = f"# slipway begin {section.name}", f"# slipway end {section.name}"
    name, value = constant(section)
    body = section.add if section.add.endswith("\n") or not section.add else section.add + "\n"
    block = f"{begin}\n{body}define {name} = {value};\n{end}\n"
    found = re.search(rf"^{re.escape(begin)}\n.*?^{re.escape(end)}(?:\n|\Z)", config, re.MULTILINE | re.DOTALL)
    if found is not None:
        return config[: found.start()] + block + config[found.end() :]
    return config + ("" if config.endswith("\n") or not config else "\n") + block


# -- what the approver sees and what is compared


def redacted(text: str) -> str:
    """The text with what follows a secret's keyword on its line taken out."""
    return "\n".join(_VALUE.sub(r"\1 (redacted)", line) for line in text.split("\n"))


def diff(before: str, after: str, *, suite: str) -> str:
    """A unified diff without secrets. FRR's both sides are written by the same hand, so only statements differ."""
    if suite == "frr":
        before = frr_tree.text(frr_tree.parse(before))
    names = (FRR_CONF, FRR_CONF) if suite == "frr" else (BIRD_CONF, BIRD_CONF)
    lines = unified_diff(redacted(before).splitlines(), redacted(after).splitlines(), *names, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def configuration_digest(config: str, *, suite: str) -> str:
    """SHA-256 of a configuration's statements: without secrets (facts have none), without the lines of a drain (they
    come and go between approval and act), and for FRR without order."""
    if suite == "frr":
        statements = sorted(
            "\0".join(path)
            for path in frr_tree.paths(frr_tree.parse(config))
            if not _DRAIN.fullmatch(path[-1])
            and not _HEADER.fullmatch(path[-1])
            and not any(_SECRET.search(part) for part in path)
        )
    else:
        lines = (line.strip() for line in config.splitlines())
        statements = [line for line in lines if line and not line.startswith("#") and not _SECRET.search(line)]
    return _sha256("\n".join(statements))


# -- files and commands on the device


@dataclass(frozen=True)
class Names:
    """Where one application keeps its files on the device, and what its units are called."""

    token: str

    def file(self, what: str) -> str:
        return f"{STATE}/routing-{self.token}.{what}"

    @property
    def revert_unit(self) -> str:
        return f"slipway-revert-{self.token}"

    @property
    def apply_unit(self) -> str:
        return f"slipway-apply-{self.token}"


def script(name: str, names: Names) -> str:
    """templates/device/slipway-NAME.sh.j2: what the router runs by itself, without us."""
    files = {what: names.file(what) for what in ("candidate", "before", "result", "writing", "reverting", "reverted")}
    reload = [*RELOAD, "--reload", *RELOAD_OPTIONS]
    return device_templates.render(f"slipway-{name}.sh.j2", {**files, "reload": reload, "startup": FRR_CONF})


def timer(unit: str, seconds: float, script_path: str) -> list[str]:
    """A timer of systemd that runs a script once; it needs neither us nor the session that set it.

    AccuracySec: systemd may otherwise fire it up to a minute late.
    """
    when = [f"--on-active={seconds:g}s", "--timer-property=AccuracySec=100ms"]
    return ["systemd-run", "--collect", f"--unit={unit}", *when, "/bin/sh", script_path]


def section_text(template: str, suite: str, variables: Mapping[str, Json]) -> str:
    """templates/device/SUITE/TEMPLATE.j2 with its variables. Raises Impossible where it cannot be rendered."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", template):
        raise Impossible(Reason(f"template {template[:60]}", "a name with other characters", "letters, digits, dashes"))
    return device_templates.render(f"{suite}/{template}.j2", variables)
