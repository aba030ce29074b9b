"""The commands of `slipway`."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway_client import evidence as bundles
from slipway_client import show, watch, where
from slipway_client.api import Api
from slipway_client.ends import Ended, Exit

app = typer.Typer(
    name="slipway",
    help="Changes fleets of routers without dropping traffic. Exit codes: docs/client.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of words")]
Number = Annotated[int, typer.Argument(metavar="CHANGE", min=1, help="number of the change")]
Why = Annotated[str, typer.Option("--why", help="kept with what is done")]
# Planning takes seconds; ten thousand devices a minute.
DRAFTED_WITHIN_S = 120.0
# As many letters of a digest as people compare: 48 bits.
LEAST_OF_A_DIGEST = 12


def api() -> Api:
    """The Slipway of the environment."""
    return Api(where.find())


def _said(document: Any, *, as_json: bool, words: Callable[[Any], None]) -> None:
    if as_json:
        show.as_json(document)
    else:
        words(document)


# --- looking ---------------------------------------------------------------------------------------------------------


@app.command()
def me(as_json: AsJson = False) -> None:
    """Say who you are to Slipway, and what your token may."""

    def words(said: Mapping[str, Any]) -> None:
        show.line(f"{said['username']}, token {said['token']} ({said['token_name']})")
        show.line(f"scopes {', '.join(said['scopes'])}; until {said['expires_at']}")

    _said(api().get("/me"), as_json=as_json, words=words)


@app.command()
def devices(
    site: Annotated[str, typer.Option()] = "",
    role: Annotated[str, typer.Option()] = "",
    name: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """List devices."""
    rows = list(api().every("/inventory/devices", site=site or None, role=role or None, name=name or None))
    columns = {"name": "Device", "site": "Site", "role": "Role", "suite": "Suite", "address": "Address"}
    _said(rows, as_json=as_json, words=lambda found: show.table(found, columns, none="No device."))


@app.command()
def drift(
    device: Annotated[str, typer.Option()] = "",
    setting: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """List what is not as wanted."""
    rows = list(api().every("/drift", device=device or None, setting=setting or None))
    columns = {"device": "Device", "setting": "Setting", "wanted": "Wanted", "found": "Found", "since": "Since"}
    _said(rows, as_json=as_json, words=lambda found: show.table(found, columns, none="Everything is as wanted."))


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List what can be done."""
    rows = list(api().every("/recipes"))
    _said(rows, as_json=as_json, words=lambda f: show.table(f, {"name": "Recipe", "summary": "Does"}, none="None."))


@app.command()
def changes(
    state: Annotated[str, typer.Option()] = "",
    most: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest first."""
    rows = api().get("/changes", limit=most, state=state or None)["items"]
    columns = {"id": "No.", "state": "State", "title": "Title", "author": "Author", "revision.recipe": "Recipe"}
    _said(rows, as_json=as_json, words=lambda found: show.table(found, columns, none="No change."))


@app.command("show")
def show_change(change: Number, plan: Annotated[bool, typer.Option("--plan")] = False, as_json: AsJson = False) -> None:
    """Show a change; with --plan exactly what an approval is about."""
    at = f"/changes/{change}/plan" if plan else f"/changes/{change}"
    _said(api().get(at), as_json=as_json, words=show.plan if plan else show.change)


@app.command()
def explain(change: Number, as_json: AsJson = False) -> None:
    """Say where a change stands and why nothing more happens: the words of its page."""
    _said(api().get(f"/changes/{change}/why"), as_json=as_json, words=show.why)


# --- from a wish to a plan -------------------------------------------------------------------------------------------


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="see `slipway recipes`")],
    device: Annotated[list[str] | None, typer.Argument(metavar="[DEVICE]...", help="the canary first")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--input", "-i", help="NAME=VALUE; VALUE as JSON or text")] = None,
    site: Annotated[list[str] | None, typer.Option()] = None,
    role: Annotated[list[str] | None, typer.Option()] = None,
    waves: Annotated[str, typer.Option(help='"1, 25%, 100%"')] = "",
    title: Annotated[str, typer.Option()] = "",
    ticket: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """Draft a change and show its plan. Nothing is submitted."""
    targets = {"names": device or [], "sites": site or [], "roles": role or []}
    named = ", ".join(device or [*(site or []), *(role or [])]) or "its own targets"
    said: dict[str, Any] = {
        "title": (title or f"{recipe} on {named}")[:200],
        "recipe": recipe,
        "inputs": dict(_input(one) for one in inputs or []),
        "targets": {key: names for key, names in targets.items() if names},
        "ticket": ticket,
    }
    if waves:
        said["strategy"] = {"waves": waves}
    asked = api()
    draft = asked.post("/changes", said)
    number = _drafted(asked, draft)
    change, made = asked.get(f"/changes/{number}"), asked.get(f"/changes/{number}/plan")

    def words(_: object) -> None:
        show.change(change)
        show.plan(made)
        show.line(f"Next: slipway submit {number}")

    _said({"change": change, "plan": made}, as_json=as_json, words=words)


def _input(one: str) -> tuple[str, Any]:
    name, equals, value = one.partition("=")
    if not equals or not name:
        raise Ended(Exit.USAGE, [f"--input: found {one!r}, wanted NAME=VALUE."])
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _drafted(asked: Api, draft: Mapping[str, Any]) -> int:
    """Wait until the engine has planned it."""
    until = time.monotonic() + DRAFTED_WITHIN_S
    while draft["state"] == "waiting":
        if time.monotonic() >= until:
            found = f"draft {draft['id']}: found it waiting after {DRAFTED_WITHIN_S:.0f} s, wanted a plan. "
            raise Ended(Exit.TIMED_OUT, [found + "Is the engine running?"])
        time.sleep(0.5)
        draft = asked.get(f"/drafts/{draft['id']}")
    if draft["state"] != "drafted" or draft["change"] is None:
        raise Ended(Exit.REFUSED, draft["reasons"] or [f"draft {draft['id']} was refused."])
    return int(draft["change"])


# --- acting ----------------------------------------------------------------------------------------------------------


def _act(change: int, verb: str, said: Mapping[str, Any] | None = None, *, as_json: bool) -> None:
    _said(api().post(f"/changes/{change}/{verb}", said), as_json=as_json, words=show.change)


@app.command()
def submit(change: Number, standard: Annotated[str, typer.Option()] = "", as_json: AsJson = False) -> None:
    """Put a draft before approvers; with --standard as a standard change."""
    _act(change, "submit", {"standard": standard} if standard else {}, as_json=as_json)


@app.command()
def approve(
    change: Number,
    digest: Annotated[str, typer.Option(help="of the plan that you read; at least its first 12 letters")] = "",
    comment: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """Approve exactly the plan that you read. Without --digest it is shown, and you are asked."""
    _decide(change, "approve", digest, comment, as_json=as_json)


@app.command()
def deny(
    change: Number,
    comment: Annotated[str, typer.Option(help="why")],
    digest: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """Deny exactly the plan that you read, and say why."""
    _decide(change, "deny", digest, comment, as_json=as_json)


def _decide(change: int, verb: str, digest: str, comment: str, *, as_json: bool) -> None:
    asked = api()
    made = asked.get(f"/changes/{change}/plan")
    if digest:
        if len(digest) < LEAST_OF_A_DIGEST or not made["digest"].startswith(digest.lower()):
            found = (
                f"digest: found {digest[:64]}, wanted {made['digest']}, the newest plan, at least {LEAST_OF_A_DIGEST} "
            )
            raise Ended(Exit.REFUSED, [found + "letters of it. Read the plan again."])
    elif as_json or not sys.stdin.isatty():
        raise Ended(Exit.USAGE, ["digest: found none and nobody to ask, wanted --digest of the plan that was read."])
    else:
        show.change(asked.get(f"/changes/{change}"))
        show.plan(made)
        if not typer.confirm(f"{verb.capitalize()} exactly this plan?"):
            raise Ended(Exit.REFUSED, ["Nothing was done."])
    row = asked.post(f"/changes/{change}/{verb}", {"digest": made["digest"], "comment": comment})
    _said(row, as_json=as_json, words=show.change)


@app.command()
def schedule(change: Number, window: Annotated[str, typer.Option()] = "", as_json: AsJson = False) -> None:
    """Let an approved change start by itself in a window that covers it, or in this one."""
    _act(change, "schedule", {"window": window} if window else {}, as_json=as_json)


@app.command()
def start(change: Number, as_json: AsJson = False) -> None:
    """Begin to execute the approved plan now."""
    _act(change, "start", as_json=as_json)


@app.command()
def pause(change: Number, why: Why = "", as_json: AsJson = False) -> None:
    """Stop where it stands, undo nothing."""
    _act(change, "pause", {"why": why}, as_json=as_json)


@app.command()
def resume(change: Number, why: Why = "", as_json: AsJson = False) -> None:
    """Go on after a pause."""
    _act(change, "resume", {"why": why}, as_json=as_json)


@app.command()
def abort(change: Number, why: Why = "", as_json: AsJson = False) -> None:
    """Stop now and roll back what is in flight."""
    _act(change, "abort", {"why": why}, as_json=as_json)


@app.command()
def rollback(change: Number, why: Why = "", as_json: AsJson = False) -> None:
    """Stop now and take everything back that this run has done."""
    _act(change, "rollback", {"why": why}, as_json=as_json)


@app.command()
def cancel(change: Number, why: Why = "", as_json: AsJson = False) -> None:
    """Withdraw a change that has not started."""
    _act(change, "cancel", {"why": why}, as_json=as_json)


@app.command("watch")
def watch_change(
    change: Number,
    timeout: Annotated[float | None, typer.Option(min=0, help="in seconds; default: until it ends")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="also what has happened already")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch a change until it ends. With --json one line for each event, then one with the change."""
    code = watch.follow(api(), change, as_json=as_json, timeout_s=timeout, from_start=from_start)
    raise typer.Exit(int(code))


# --- evidence --------------------------------------------------------------------------------------------------------


@app.command()
def evidence(
    change: Number,
    file: Annotated[Path | None, typer.Option("--output", "-o", help="default: slipway-change-N.zip here")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the evidence of a change and verify it."""
    path = file or Path(f"slipway-change-{change}.zip")
    asked, partial = api(), path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as opened:
            asked.fetch(f"/changes/{change}/evidence", opened)
        partial.replace(path)
    except OSError as error:
        raise Ended(Exit.USAGE, [f"{path}: found {error.strerror}, wanted a file that can be written."]) from error
    finally:
        partial.unlink(missing_ok=True)
    _verified(path, as_json=as_json)


@app.command()
def verify(file: Path, as_json: AsJson = False) -> None:
    """Verify a bundle of evidence from the file alone; Slipway is not asked."""
    _verified(file, as_json=as_json)


def _verified(path: Path, *, as_json: bool) -> None:
    try:
        found = bundles.look(path)
    except OSError as error:
        raise Ended(Exit.USAGE, [f"{path}: found {error.strerror}, wanted a bundle of evidence."]) from error
    document = {
        "file": str(path),
        "change": found.change,
        "events": found.events,
        "withheld": found.withheld,
        "head": found.head,
        "wrong": list(found.wrong),
    }
    if found.wrong:
        raise Ended(Exit.ALTERED, found.wrong, problem=document)
    words = f"{path}: change {found.change}, {found.events} events, the chain holds, head {found.head[:12]}"
    _said(document, as_json=as_json, words=lambda _: show.line(words))


# --- how it ends -----------------------------------------------------------------------------------------------------


def run() -> None:
    """The script: every end is an exit code, every "no" is sentences on standard error (with --json a document)."""
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except Ended as error:
        if as_json:
            show.as_json({"exit": int(error.code), "reasons": list(error.sentences), "problem": error.problem})
        for sentence in error.sentences:
            show.complain(sentence)
        sys.exit(int(error.code))
    except KeyboardInterrupt:
        show.complain("Interrupted. What runs, runs on.")
        sys.exit(int(Exit.INTERRUPTED))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(int(Exit.DONE))
