"""A migrated database with two people, their tokens, somebody who is told, and the fleet: prints the tokens as JSON.

python -m proof.long.opening --inventory FILE --sink URL --dir DIR      database: the environment's
"""

import argparse
import json
import os
import sys
from io import StringIO
from pathlib import Path

PEOPLE = ("ada", "grace")
HOOK_SECRET = "PROOF_HOOK_SECRET"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", type=Path, required=True)
    parser.add_argument("--sink", required=True)
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    tokens = {name: _person(name) for name in PEOPLE}
    _told(options.sink, options.dir)
    call_command("load_inventory", str(options.inventory), "--accept-new-host-keys", stdout=StringIO())
    call_command("collect", "--all", stdout=StringIO())
    sys.stdout.write("\n" + json.dumps(tokens) + "\n")


def _person(name: str) -> str:
    """Somebody with every right, and a token with every scope that a change needs."""
    from django.contrib.auth.models import User

    from fleet import clock
    from fleet.api import tokens

    person = User.objects.create_superuser(name, password=None)
    scopes = ("read", "changes:draft", "changes:approve", "changes:operate")
    made = tokens.make(tokens.Wanted("proof", scopes, 1, ()), holder=person, person=person, now=clock.now())
    assert made and isinstance(made[0], str), made
    return made[0]


def _told(sink: str, folder: Path) -> None:
    """A chat that is paged, and a program that is told everything."""
    from fleet import clock
    from fleet.notices.models import Channel
    from fleet.outward.models import Endpoint

    assert HOOK_SECRET in os.environ
    address = folder / "chat-address"
    address.write_text(f"{sink}/chat\n")
    address.chmod(0o600)
    Channel.objects.create(name="on call", kind=Channel.CHAT, reference=f"file:{address}", kinds=["stuck", "failed"])
    Endpoint.objects.create(
        name="program", url=f"{sink}/hook", events=["*"], secret=f"env:{HOOK_SECRET}",
        created_at=clock.now(), created_by="ada",
    )  # fmt: skip


if __name__ == "__main__":
    main()
