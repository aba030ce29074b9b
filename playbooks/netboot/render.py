"""DHCPv6 options and router advertisements that lead hosts to the boot endpoint. Pure.

RFC 5970: option 59 is the boot file's address, 61 the architecture (7, 9: UEFI x64; 11: UEFI arm64; 16: UEFI x64 by
HTTP). User class (15) `iPXE` tells an iPXE from a ROM. One way to an address only: SLAAC; DHCPv6 for options.
"""

import ipaddress
import re
from collections.abc import Mapping

CONFIRMED = "/run/slipway-trial.confirmed"
# For the images of diskless hosts, which people build: a trial that runs and cannot be reached ends by it. It does
# nothing in other boots. `$$` is `$` for systemd.
WATCH_UNIT = f"""\
# /etc/systemd/system/slipway-trial.service, made by ./manage.py netboot --watch; systemctl enable it in the image.
[Unit]
Description=Slipway boot trial
DefaultDependencies=no
ConditionKernelCommandLine=slipway.trial

[Service]
Type=exec
ExecStart=/bin/sh -c 'for w in $$(cat /proc/cmdline); do case $$w in slipway.trial=*) s=$${{w#*=}};; esac; done; \
sleep "$$s"; [ -e {CONFIRMED} ] && exit 0; \
echo slipway: nobody came in, back to the default target >/dev/kmsg; \
systemctl --no-block reboot; sleep 90; systemctl -f -f reboot'

[Install]
WantedBy=sysinit.target
"""

_ADDRESS = re.compile(r"https?://(\[[0-9A-Fa-f:]{2,39}\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_EFI = re.compile(r"(tftp://[A-Za-z0-9.:\[\]/_-]{1,200})?")


def options(*, address: str, token: str, prefix: str, interface: str, efi: str = "") -> Mapping[str, str]:
    """Name of the program > its configuration. ValueError for what does not fit, in words."""
    for value, pattern, wanted in (
        (address, _ADDRESS, "address: wanted such as http://[2001:db8::69]:8000"),
        (token, _TOKEN, "token: wanted letters, digits, dashes"),
        (interface, _NAME, "interface: wanted a name such as eth0"),
        (efi, _EFI, "efi: wanted tftp://..., or nothing"),
    ):
        if not pattern.fullmatch(value):
            raise ValueError(wanted)
    try:
        network = ipaddress.IPv6Network(prefix)
    except ValueError as error:
        raise ValueError(f"prefix: {error}") from error
    url = f"{address}/boot/{token}/start.ipxe"
    return {
        "dnsmasq": _dnsmasq(url, network, interface, efi),
        "kea-dhcp6": _kea(url, network, interface, efi),
        "dhcpd6 (ISC)": _isc(url, network, efi),
        "bird (radv)": _bird(network, interface),
        "radvd": _radvd(network, interface),
    }


def _dnsmasq(url: str, network: ipaddress.IPv6Network, interface: str, efi: str) -> str:
    """Stateless: addresses by SLAAC, options by DHCPv6; RA with the other-configuration flag."""
    rom = ""
    if efi:
        rom = f"dhcp-match=set:efi,option6:61,7\ndhcp-option=tag:efi,tag:!ipxe,option6:59,{efi}\n"
    return (
        "port=0\n"
        f"interface={interface}\nbind-interfaces\nenable-ra\nra-param={interface},10,60\n"
        f"dhcp-range={network.network_address},ra-stateless,{network.prefixlen}\n"
        f"dhcp-userclass=set:ipxe,iPXE\n{rom}"
        f"dhcp-option={'tag:ipxe,' if efi else ''}option6:59,{url}\n"
    )


def _kea(url: str, network: ipaddress.IPv6Network, interface: str, efi: str) -> str:
    classes = f'{{"name": "ipxe", "test": "substring(option[15].hex,2,4) == \'iPXE\'", {_kea_option(url)}}}'
    if efi:
        classes += (
            f',\n    {{"name": "efi", "test": "option[61].hex == 0x0007 and not member(\'ipxe\')", {_kea_option(efi)}}}'
        )
    return (
        '{"Dhcp6": {\n'
        f'  "interfaces-config": {{"interfaces": ["{interface}"]}},\n'
        f'  "client-classes": [\n    {classes}],\n'
        f'  "subnet6": [{{"id": 1, "subnet": "{network}", "interface": "{interface}", "pools": []}}]\n'
        "}}\n"
    )


def _kea_option(url: str) -> str:
    return f'"option-data": [{{"name": "bootfile-url", "data": "{url}"}}]'


def _isc(url: str, network: ipaddress.IPv6Network, efi: str) -> str:
    """The server is silent on a network that it has no subnet6 of."""
    rom = f'if option dhcp6.client-arch-type = 00:07 {{ option dhcp6.bootfile-url "{efi}"; }}' if efi else ""
    return (
        "option dhcp6.user-class code 15 = string;\n"
        "option dhcp6.bootfile-url code 59 = string;\n"
        "option dhcp6.client-arch-type code 61 = array of unsigned integer 16;\n"
        'if exists dhcp6.user-class and substring(option dhcp6.user-class, 2, 4) = "iPXE" {\n'
        f'  option dhcp6.bootfile-url "{url}";\n}} else {{ {rom} }}\n'
        f"subnet6 {network} {{ }}\n"
    )


def _bird(network: ipaddress.IPv6Network, interface: str) -> str:
    return (
        "protocol radv {\n"
        f'  interface "{interface}" {{\n    managed no;\n    other config yes;\n'
        f"    prefix {network} {{ onlink yes; autonomous yes; }};\n  }};\n}}\n"
    )


def _radvd(network: ipaddress.IPv6Network, interface: str) -> str:
    return (
        f"interface {interface} {{\n  AdvSendAdvert on;\n  AdvManagedFlag off;\n  AdvOtherConfigFlag on;\n"
        f"  prefix {network} {{ AdvOnLink on; AdvAutonomous on; }};\n}};\n"
    )
