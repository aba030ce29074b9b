"""The files and packages that make a machine of the lab's Debian tree."""

from __future__ import annotations

# grub-pc-bin and grub2-common without grub-pc, whose installation asks for a disk.
PACKAGES = ("linux-base", "initramfs-tools", "lz4", "grub-common", "grub2-common", "grub-pc-bin")
# Masked in the tree because a namespace has no devices; a machine has.
UNMASKED = (
    "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-kernel.socket",
    "systemd-udevd-control.socket", "systemd-modules-load.service", "systemd-remount-fs.service",
)  # fmt: skip
# What asks or makes something that no machine here has. An emulated processor starts every program of them for seconds:
# of GRUB's menu the theme, Xen, other systems, the firmware's set-up; of an initramfs device mapper, resume, keyboard,
# fans, and the check of a root file system that the machine checks again itself.
NOT_RUN = (
    *(f"/etc/grub.d/{name}" for name in ("05_debian_theme", "20_linux_xen", "30_os-prober", "30_uefi-firmware")),
    *(f"/usr/share/initramfs-tools/hooks/{name}"
      for name in ("dmsetup", "fsck", "fuse", "keymap", "resume", "thermal")),
)  # fmt: skip
# Units and generators of systemd for what no machine here has: seats, encrypted disks, other partitions, hibernation.
MASKED = (
    *(f"/etc/systemd/system/{unit}" for unit in (
        "systemd-binfmt.service", "systemd-repart.service", "systemd-firstboot.service",
        "systemd-random-seed.service", "systemd-pcrphase.service", "systemd-pcrphase-sysinit.service",
        "systemd-update-utmp-runlevel.service", "proc-sys-fs-binfmt_misc.automount",
        "systemd-ask-password-wall.path", "systemd-ask-password-console.path", "cron.service")),
    *(f"/etc/systemd/system-generators/systemd-{name}-generator" for name in (
        "cryptsetup", "debug", "getty", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local",
        "system-update", "veritysetup")),
)  # fmt: skip
ENABLED = ("lab-vm-configure.service", "systemd-pstore.service")

# panic=5: back to GRUB five seconds after a panic. net.ifnames=0: eth0 and up in the order of the PCI slots.
# mitigations=off, init_on_alloc=0: an emulated processor has nothing to protect, and clears each page for microseconds;
# without them, apparmor and audit the kernel took 4.8 s to its init instead of 10. The serial line is the console.
COMMAND_LINE = "console=ttyS0,115200 panic=5 net.ifnames=0 mitigations=off init_on_alloc=0 apparmor=0 audit=0"

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

# lz4 at its quickest: Debian's default for it is 9, which costs more here than the larger file does.
_INITRAMFS = (
    "MODULES=list\nBUSYBOX=auto\nKEYMAP=n\nCOMPRESS=lz4\nCOMPRESSLEVEL=1\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%\n"
    "FSTYPE=ext4\n"
)
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
        "/etc/dpkg/dpkg.cfg.d/lab": ("force-unsafe-io\n", 0o644),
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
