"""Tries what attackers of docs/security.md would try, and writes what they reached into docs/proof.md.

    python -m proof.security [--only WORD]

Each claim is a set of tests; what a test counts (requests forged, columns poisoned) it says itself. Tools beside them
(bandit, pip-audit) are had for the run, with `uvx`; without a network they are named as not run.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path

from proof import report
from proof.report import Row

ROOT = Path(__file__).resolve().parents[1]
# Claim, as docs/security.md numbers them: the tests that try it.
CLAIMS: Mapping[str, tuple[str, ...]] = {
    "hostile text becomes no markup on any page": ("tests/security/test_hostile_pages.py",),
    "no formula in a table that is exported": ("tests/inventory/test_pages_lists.py -k csv or formula or plain_cells",),
    "no YAML grows": ("tests/security/test_yaml_bombs.py",),
    "a value is one word of a shell and one line of a file": ("tests/security/test_one_word.py",),
    "output of a device forges no answer": ("tests/playbooks/test_transport.py -k forge or any_output or hostile",),
    "a changed or unknown host key is refused before any login": ("tests/playbooks/test_transport.py -k host_key",),
    "webhooks reach nothing inside": ("tests/outward/test_addresses.py",),
    "forged, late, repeated messages are refused": ("tests/outward/test_signing.py", "tests/outward/test_inbound.py"),
    "no form is sent from another site": ("tests/security/test_forged_requests.py",),
    "no role reaches what is another's": ("tests/changes/test_api_matrix.py", "tests/changes/test_self_approval.py"),
    "a token or session that ended opens nothing": ("tests/changes/test_api_tokens.py", "tests/people/test_sign_in.py"),
    "secrets lie sealed, keys can be changed": ("tests/people/test_sealed.py",),
    "planted secrets are nowhere": ("tests/security/test_planted_secrets.py", "tests/core/test_redact.py"),
    "secrets are compared in constant time; containers have no rights": ("tests/security/test_kept_apart.py",),
    "settings of production pass check --deploy": ("tests/people/test_deploy.py",),
    "an event that was altered, removed or added is found": (
        "tests/security/test_chain_whole.py", "tests/changes/test_seals.py",
    ),
}  # fmt: skip
# What bandit finds and is meant, each with its reason. A new one falls short.
BANDIT_SKIPS = {
    "B101": "assert states an invariant; bad input is refused with an error, never with assert",
    "B311": "randomness here is jitter and simulation, never a secret",
    "B404": "subprocess is imported where programs are started with a list of words, never through a shell",
    "B603": "the same: a list of words",
    "B607": "programs by name, as PATH of the service has them",
    "B105": "'pass' and 'token' are words of verdicts and columns here",
    "B106": "the same",
    "B107": "the same",
    "B405": "expat 2.4 and newer refuses entities that multiply (tests/security/test_yaml_bombs.py tries it)",
    "B601": "the one place where a command leaves; its words are quoted before (tests/security/test_one_word.py)",
    "B608": "names of tables and columns are constants, values are parameters; ruff's S608 asks at each place",
}


def tried(tests: tuple[str, ...]) -> tuple[int, int, dict[str, int]]:
    """How many tests ran, how many did not hold, and what they counted."""
    ran, wrong = 0, 0
    counted: dict[str, int] = {}
    for one in tests:
        path, _, words = one.partition(" -k ")
        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            argv = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", f"--junitxml={file.name}", path]
            done = subprocess.run([*argv, *(["-k", words] if words else [])], cwd=ROOT, check=False)
            if done.returncode not in {0, 1}:
                return ran, wrong + 1, counted
            for case in ElementTree.parse(file.name).iter("testcase"):  # what pytest wrote just now
                ran += case.find("skipped") is None
                wrong += case.find("failure") is not None or case.find("error") is not None
                for found in case.iter("property"):
                    name, value = found.get("name", ""), found.get("value", "0")
                    if value.isdigit():
                        counted[name] = counted.get(name, 0) + int(value)
    return ran, wrong, counted


def attacks(only: str) -> Iterator[Row]:
    for claim, tests in CLAIMS.items():
        if only in claim:
            ran, wrong, counted = tried(tests)
            more = "".join(f"; {value:,} {name}" for name, value in counted.items())
            yield Row(claim, f"{ran} tries, {wrong} reached something{more}", "0", holds=bool(ran) and not wrong)


def _tool(name: str, *argv: str) -> subprocess.CompletedProcess[str] | None:
    uvx = shutil.which("uvx") or shutil.which("uvx", path=str(Path(sys.executable).parent))
    base = [uvx, name] if uvx else [str(Path(sys.executable).parent / "python"), "-m", name.replace("-", "_")]
    done = subprocess.run([*base, *argv], cwd=ROOT, check=False, capture_output=True, text=True)
    return done if done.stdout.lstrip().startswith(("{", "[")) else None


def bandit() -> Row:
    """What bandit finds in the product, but for what is meant (BANDIT_SKIPS, and lines with ruff's `noqa: S`)."""
    skips = ",".join(BANDIT_SKIPS)
    folders = ["fleet", "inventory", "playbooks", "custom_napalm", "client"]
    done = _tool("bandit", "-q", "-r", *folders, "-f", "json", "-s", skips)
    if done is None:
        return Row("bandit", "not run: it could not be had here", "0 findings")
    found = json.loads(done.stdout)
    lines = [f"{r['filename']}:{r['line_number']} {r['test_id']}" for r in found["results"] if not _meant(r)]
    print("\n".join(lines))
    size = sum(v["loc"] for k, v in found["metrics"].items() if k == "_totals")
    words = f"{len(lines)} in {size:,} lines" + (f": {', '.join(lines[:5])}" if lines else "")
    return Row("bandit", words, "0 findings", holds=not lines)


def _meant(result: Mapping[str, object]) -> bool:
    """ruff has the same rules (S) and looks at each commit: a line that it is told to leave says why."""
    line = (ROOT / str(result["filename"])).read_text().splitlines()[int(str(result["line_number"])) - 1]
    return "noqa: S" in line or "nosec" in line


def pip_audit() -> Row:
    """Known vulnerabilities of what the lock names, from the public database, where it can be reached."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        uv = shutil.which("uv")
        if uv is None:
            return Row("pip-audit", "not run: no uv here", "0 known vulnerabilities")
        subprocess.run(
            [uv, "export", "-q", "--frozen", "--no-dev", "--no-emit-project", "-o", file.name], cwd=ROOT, check=True
        )
        done = _tool(
            "pip-audit", "-r", file.name, "--disable-pip", "--require-hashes", "-f", "json", "--progress-spinner", "off"
        )
    if done is None:
        return Row("pip-audit", "not run: its database cannot be reached from here", "0 known vulnerabilities")
    packages = json.loads(done.stdout)["dependencies"]
    bad = [f"{p['name']} {p['version']}" for p in packages if p.get("vulns")]
    words = f"{len(bad)} of {len(packages)} packages" + (f": {', '.join(bad)}" if bad else "")
    return Row("pip-audit", words, "0 known vulnerabilities", holds=not bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="claims with this word; nothing is written then")
    only = parser.parse_args().only
    rows = list(attacks(only))
    if not only:
        rows += [bandit(), pip_audit()]
        print(report.write("security", rows))
    for row in rows:
        print(f"{row.what}: {row.found} {row.verdict}")
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
