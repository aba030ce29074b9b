"""compare ROUTER... --config FILE: ask devices through NAPALM what a configuration would change; change nothing."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fleet import clock
from fleet.core.model import to_json
from inventory import comparing
from inventory.console import add_json, print_json, printable


class Command(BaseCommand):
    help = "Ask devices through NAPALM what a configuration would change. Plans of the step napalm are made of this."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("routers", nargs="+", metavar="ROUTER")
        parser.add_argument(
            "--config", required=True, metavar="FILE", help="the configuration, in the device's language"
        )
        parser.add_argument("--mode", choices=("merge", "replace"), default="merge")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = Path(options["config"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['config']}: found {error}, wanted a text file.") from None
        diffs, refused = comparing.compare(options["routers"], mode=options["mode"], text=text, now=clock.now())
        if options["json"]:
            print_json({"diffs": dict(diffs), "refused": {n: to_json(r) for n, r in refused.items()}})
        else:
            for name, diff in sorted(diffs.items()):
                self.stdout.write(printable(f"{name}:\n{diff or '  nothing to change'}\n"))
        if refused:
            raise CommandError("\n".join(f"{name}: {reason}" for name, reason in sorted(refused.items())))
