"""Diskless hosts: a token for a network, and what its DHCPv6 and router advertisements must say."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.netboot.models import BootHost, BootNetwork
from playbooks.netboot import render


class Command(BaseCommand):
    """./manage.py netboot NETWORK --address URL --prefix PREFIX --interface NAME | --list | --watch."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("network", nargs="?", default="", help="name of the network; made if there is none")
        parser.add_argument(
            "--address", default="", help="address of Slipway as the hosts see it: http://[2001:db8::69]:8000"
        )
        parser.add_argument("--prefix", default="", help="IPv6 prefix of the network, such as 2001:db8:1::/64")
        parser.add_argument("--interface", default="eth0", help="of the router or server that answers them")
        parser.add_argument("--efi", default="", help="tftp address of ipxe.efi for hosts whose ROM is no iPXE")
        parser.add_argument("--watch", action="store_true", help="the unit for images that ends a trial nobody reaches")
        parser.add_argument("--list", action="store_true", help="hosts and what they boot")

    def handle(self, **options: Any) -> None:
        if options["watch"]:
            self.stdout.write(render.WATCH_UNIT)
            return
        if options["list"] or not options["network"]:
            for host in BootHost.objects.select_related("router", "default", "once", "trial"):
                trial = f", on trial {host.trial.name}" if host.trial else ""
                trial = f", tries {host.once.name} once" if host.once else trial
                self.stdout.write(f"{host.router} {host.mac}: {host.default.name}{trial}")
            return
        network = BootNetwork.objects.filter(name=options["network"]).first() or BootNetwork(name=options["network"])
        token = network.new_token()
        network.full_clean(exclude=["token_hash"])
        try:
            texts = render.options(
                address=options["address"], token=token, prefix=options["prefix"], interface=options["interface"],
                efi=options["efi"],
            )  # fmt: skip
        except ValueError as error:
            raise CommandError(str(error)) from error
        network.save()
        self.stdout.write("The token is in these texts and nowhere else; the one from before is no longer good.\n")
        for name, text in texts.items():
            self.stdout.write(f"--- {name}\n{text}")
