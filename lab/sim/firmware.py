"""Firmware of a virtual router's cards, and the tools that flash it: Intel's nvmupdate64e and mstflint. Pure.

A flash takes effect with the next boot. Power that is lost in the middle of it leaves a card in recovery mode.
"""

import re
from collections.abc import Sequence

from lab.sim.behaviours import Kind, take
from lab.sim.ethtool import bus
from lab.sim.linux import put
from lab.sim.nvm import IDS, IMAGES, Nvm
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import Nic


def nvm_of(ctx: Context, nic: Nic) -> Nvm:
    """The flash behind an interface: the ports of one card share it."""
    return ctx.router.nvm.setdefault(bus(nic).rpartition(".")[0], Nvm())


def _nic(ctx: Context, mac: str) -> Nic | None:
    plain = mac.replace(":", "").lower()
    cards = (nic for nic in ctx.router.nics.values() if nic.driver == "i40e")
    return next((nic for nic in cards if nic.mac.replace(":", "").lower() == plain), None)


def nvmupdate(ctx: Context, argv: Sequence[str]) -> Reply:
    """`nvmupdate64e -i ...` lists, `-u -c CFG -m MAC` flashes; what came of it is in the file after -o."""
    if not ctx.root:
        return not_permitted("nvmupdate64e")
    mac = argv[argv.index("-m") + 1] if "-m" in argv else ""
    cfg = argv[argv.index("-c") + 1] if "-c" in argv else ""
    to = argv[argv.index("-o") + 1] if "-o" in argv else ""
    nic = _nic(ctx, mac)
    image = _image(ctx.router.files.get(cfg, ""))
    if nic is None or image is None:
        changes = put(ctx, to, _failed("No devices on the list."), mode="0644").changes if to else ()
        return Reply("Tool execution failed.\n", status=8, changes=changes)
    card = nvm_of(ctx, nic)
    if "-i" in argv:
        found = "Update available" if image != card.stored else "Update not available"
        return Reply("Inventory\n", changes=put(ctx, to, _result(nic, card, card.stored, found), mode="0644").changes)
    if take(ctx.router.behaviours, Kind.FLASH_POWER_LOST, "flash") is not None:
        card.broken = True
        ctx.router.plan(ctx.now, "halt")
        return Reply(status=-1, changes=(f"firmware {nic.ifname} broken",))
    if take(ctx.router.behaviours, Kind.FLASH_FAILS, "flash") is not None:
        changes = put(ctx, to, _failed("Access error.", number=2), mode="0644").changes
        return Reply("Tool execution failed: Access error.\n", status=2, changes=changes)
    before, lies = card.stored, take(ctx.router.behaviours, Kind.FLASH_LIES, "flash") is not None
    if image == before:
        return Reply(changes=put(ctx, to, _result(nic, card, before, "Update not available."), mode="0644").changes)
    card.stored = before if lies else image
    text = _result(nic, card, before, "Update successful.", reboot=True, shown=image)
    changes = put(ctx, to, text, mode="0644").changes
    return Reply("Update successful.\n", changes=(*changes, f"firmware {nic.ifname} {before} -> {card.stored}"))


def _image(cfg: str) -> str | None:
    found = re.search(r"^EEPID:\s*([0-9A-Fa-f]{8})\s*$", cfg, re.MULTILINE)
    return IMAGES.get(found[1].upper()) if found else None


def _failed(words: str, *, number: int = 8) -> str:
    status = f'<Status result="Fail" id="{number}">{words}</Status>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<DeviceUpdate lang="en">{status}</DeviceUpdate>\n'


def _result(nic: Nic, card: Nvm, before: str, words: str, *, reboot: bool = False, shown: str = "") -> str:
    version, previous = IDS[shown or card.stored], IDS[before]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<DeviceUpdate lang="en">\n'
        f'  <Instance vendor="8086" device="1583" subdevice="0001" subvendor="8086" bus="59" dev="0" func="0">\n'
        f'    <Module type="NVM" version="{version}" previous_version="{previous}">'
        f'<Status result="Success" id="0">{words}</Status></Module>\n'
        f'    <Status result="Success" id="0">{words}</Status>\n'
        f'    <MACAddresses><MAC address="{nic.mac.replace(":", "").upper()}"/></MACAddresses>\n  </Instance>\n'
        f"  <NextUpdateAvailable> 0 </NextUpdateAvailable>\n  <RebootRequired> {int(reboot)} </RebootRequired>\n"
        "  <PowerCycleRequired> 0 </PowerCycleRequired>\n</DeviceUpdate>\n"
    )
