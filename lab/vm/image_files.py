"""The files and packages that make a machine of the lab's Debian tree."""

from __future__ import annotations

# grub-pc-bin and grub2-common without grub-pc, whose installation asks for a disk.
PACKAGES = ("linux-base", "initramfs-tools", "lz4", "grub-common", "grub2-common", "grub-pc-bin")
# Masked in the tree because a namespace has no devices; a machine has.
UNMASKED = (
    "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-kernel.socket",
    "systemd-udevd-control.socket", "systemd-modules-load.service", "systemd-remount-fs.service",
)  # fmt: skip
ENABLED = ("lab-vm-configure.service", "systemd-pstore.service")

# panic=5: back to GRUB five seconds after a panic. net.ifnames=0: eth0 and up in the order of the PCI slots.
# mitigations=off: an emulated processor has nothing to protect. The serial line is the machine's console.
COMMAND_LINE = "console=ttyS0,115200 panic=5 net.ifnames=0 mitigations=off"

_GRUB = f"""\
GRUB_DEFAULT=saved
GRUB_TIMEOUT=1
GRUB_RECORDFAIL_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="{COMMAND_LINE}"
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_DISABLE_OS_PROBER=true
"""

# What makes one machine of the image (address, keys, routing configuration) comes on a second disk, a plain tar
# archive, and is unpacked at its first boot only: later the machine keeps what was changed on it.
_CONFIGURE = """\
[Unit]
Description=What makes this machine itself, from its second disk
DefaultDependencies=no
Requires=dev-vdb.device
After=local-fs.target dev-vdb.device
Before=network-pre.target sysinit.target systemd-sysctl.service networking.service
Wants=network-pre.target
ConditionPathExists=!/var/lib/lab-vm-configured

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'tar -x -p --numeric-owner -C / -f /dev/vdb; hostname -F /etc/hostname; \
  systemctl daemon-reload; systemctl --no-block start multi-user.target; touch /var/lib/lab-vm-configured; sync'

[Install]
WantedBy=sysinit.target
"""

_INITRAMFS = "MODULES=list\nBUSYBOX=auto\nKEYMAP=n\nCOMPRESS=lz4\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%\nFSTYPE=ext4\n"
_JOURNALD = "[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRateLimitIntervalSec=0\n"


def files(uuid: str) -> dict[str, tuple[str, int]]:
    """Path on the disk -> (text, mode)."""
    return {
        "/etc/fstab": (f"UUID={uuid} / ext4 noatime,errors=remount-ro 0 1\n", 0o644),
        "/etc/default/grub": (_GRUB, 0o644),
        "/etc/systemd/system/lab-vm-configure.service": (_CONFIGURE, 0o644),
        "/etc/initramfs-tools/initramfs.conf": (_INITRAMFS, 0o644),
        "/etc/initramfs-tools/modules": ("virtio_pci\nvirtio_blk\next4\n", 0o644),
        "/etc/systemd/journald.conf.d/lab.conf": (_JOURNALD, 0o644),
        "/etc/modules-load.d/lab.conf": ("virtio_net\nsoftdog\n", 0o644),
    }


def probe_answers(uuid: str) -> dict[str, str]:
    """Scripts in the place of programs that look at block devices: what they will say on the finished disk."""
    probe = (
        "#!/bin/sh\n"
        'for word; do case $word in --target=*) target=${word#--target=} ;; -t) next=1 ;; *) [ -z "${next-}" ] ||'
        " { target=$word; next=; } ;; esac; done\n"
        "case ${target-fs} in\n"
        f"fs_uuid) echo {uuid} ;;\n"
        "fs) echo ext2 ;;\ndevice) echo /dev/vda1 ;;\npartmap) echo msdos ;;\nabstraction) ;;\n"
        "partuuid) echo 00000000-01 ;;\n"
        "drive|compatibility_hint) echo 'hd0,msdos1' ;;\n"
        "hints_string) echo '--hint=hd0,msdos1' ;;\n"
        "esac\n"
    )
    return {"/usr/sbin/grub-probe": probe}
