"""Kernel modules and packages of a virtual router: dkms, modinfo, modprobe, initramfs, apt. Pure; texts of Debian 12.

One driver is modelled, that of its cards: which copy lies on the disk, which in the initramfs, and which runs.
"""

import re
from collections.abc import Sequence

from lab.sim.installed import DRIVER, Module
from lab.sim.reply import Context, Reply, not_permitted

# What apt can get: package -> versions, newest first.
AVAILABLE = {
    "frr": ("8.5.2-1~deb12u1", "8.4.4-1.1~deb12u1"),
    "frr-pythontools": ("8.5.2-1~deb12u1", "8.4.4-1.1~deb12u1"),
    "bird2": ("2.15.1-1", "2.0.12-7"),
    "intel-i40e-dkms": ("2.13.10-1", "2.12.6-1"),
}


def path_of(module: Module, kernel: str) -> str:
    where = "updates/dkms" if module.version else "kernel/drivers/net/ethernet/intel/i40e"
    return f"/lib/modules/{kernel}/{where}/{module.name}.ko"


def sysfs(ctx: Context, path: str) -> str | None:
    """/sys/module/NAME/version and srcversion of what runs."""
    module, found = ctx.router.software.loaded, re.fullmatch(r"/sys/module/(\w+)/(version|srcversion|taint)", path)
    if found is None or found[1] != module.name or not _has_cards(ctx):
        return None
    if found[2] == "srcversion":
        return module.srcversion(ctx.router.kernel) + "\n"
    if found[2] == "taint":
        return "OE\n" if module.version else "\n"
    return f"{module.version}\n" if module.version else None


def _has_cards(ctx: Context) -> bool:
    return any(nic.driver == DRIVER for nic in ctx.router.nics.values())


def modinfo(ctx: Context, argv: Sequence[str]) -> Reply:
    kernel = argv[argv.index("-k") + 1] if "-k" in argv else ctx.router.kernel
    if argv[-1] != DRIVER:
        return Reply(err=f"modinfo: ERROR: Module {argv[-1]} not found.\n", status=1)
    module = ctx.router.software.on_disk(kernel)
    rows = {"filename": path_of(module, kernel), "license": "GPL v2"}
    rows |= {"version": module.version} if module.version else {}
    rows |= (
        {"srcversion": module.srcversion(kernel), "intree": "Y"}
        if not module.version
        else {"srcversion": module.srcversion(kernel)}
    )
    rows |= {"name": module.name, "vermagic": f"{kernel} SMP preempt mod_unload modversions "}
    return Reply("".join(f"{key + ':':<16}{value}\n" for key, value in rows.items()))


def dkms(ctx: Context, argv: Sequence[str]) -> Reply:
    software, verb = ctx.router.software, argv[1] if len(argv) > 1 else "status"
    if verb == "status":
        rows = []
        for source in sorted(software.sources):
            kernels = [k for k, v in sorted(software.built.items()) if f"{DRIVER}/{v}" == source]
            rows += [f"{source}, {k}, x86_64: installed\n" for k in kernels] or [f"{source}: added\n"]
        return Reply("".join(rows))
    if not ctx.root:
        return not_permitted("dkms")
    if verb == "ldtarball":
        return _tarball(ctx, argv[-1])
    source = next((w for w in argv[2:] if "/" in w and not w.startswith(("-", "/"))), "")
    kernel = argv[argv.index("-k") + 1] if "-k" in argv else ctx.router.kernel
    version = source.partition("/")[2]
    if source not in software.sources:
        where = f"Directory: /usr/src/{source.replace('/', '-')} does not exist."
        return Reply(err=f"Error! Could not find module source directory.\n{where}\n", status=2)
    match verb:
        case "install":
            if ctx.router.breaks("build"):
                return Reply(err=f"Error! Bad return status for module build on kernel: {kernel} (x86_64)\n", status=10)
            software.built[kernel] = version
            return Reply(f"depmod...\n{source} installed\n", changes=(f"module {DRIVER} {kernel} {version}",))
        case "uninstall":
            if software.built.get(kernel) != version:
                return Reply(
                    err=f"Error! The module/version combo: {source} is not installed for kernel {kernel}\n", status=5
                )
            del software.built[kernel]
            return Reply(
                f"Module {source} for kernel {kernel} (x86_64).\n", changes=(f"module {DRIVER} {kernel} in-tree",)
            )
        case _:
            return Reply(err=f"Error! Unknown action specified: {verb}\n", status=4)


def _tarball(ctx: Context, path: str) -> Reply:
    """Its name tells what is in it: i40e-2.13.10.dkms.tar.gz."""
    found = re.search(r"/([\w]+)-([\d.]+\d)\.dkms\.tar\.gz$", path)
    if path not in ctx.router.files or found is None:
        return Reply(err=f"Error! {path} does not exist.\n", status=2)
    source = f"{found[1]}/{found[2]}"
    if source in ctx.router.software.sources:
        return Reply(f"{source} is already added!\n", status=3)
    ctx.router.software.sources.add(source)
    return Reply(f"Loading tarball for {source}\n", changes=(f"file /usr/src/{source.replace('/', '-')}",))


def depmod(ctx: Context, argv: Sequence[str]) -> Reply:
    return Reply() if ctx.root else not_permitted("depmod")


def update_initramfs(ctx: Context, argv: Sequence[str]) -> Reply:
    if not ctx.root:
        return not_permitted("update-initramfs")
    kernel = argv[argv.index("-k") + 1] if "-k" in argv else ctx.router.kernel
    if ctx.router.breaks("initramfs"):
        return Reply(err="update-initramfs: failed for /boot/initrd.img with 1: No space left on device\n", status=1)
    wanted = ctx.router.software.on_disk(kernel)
    changed = ctx.router.software.initrd.get(kernel) != wanted
    ctx.router.software.initrd[kernel] = wanted
    said = f"update-initramfs: Generating /boot/initrd.img-{kernel}\n"
    return Reply(said, changes=(f"file /boot/initrd.img-{kernel}",) if changed else ())


def lsinitramfs(ctx: Context, argv: Sequence[str]) -> Reply:
    kernel = argv[-1].rpartition("initrd.img-")[2]
    if kernel not in (ctx.router.kernel, *ctx.router.software.initrd, *ctx.router.software.built):
        return Reply(err=f"cpio: {argv[-1]}: No such file\n", status=2)
    module = ctx.router.software.initrd.get(kernel, Module(DRIVER))
    conf = "".join(f"{p.lstrip('/')}\n" for p in sorted(ctx.router.files) if p.startswith("/etc/modprobe.d/"))
    return Reply(f".\nbin\netc/modprobe.d\n{conf}usr{path_of(module, kernel)}\ninit\n")


def modprobe(ctx: Context, argv: Sequence[str]) -> Reply:
    """`modprobe [-r] i40e`: the cards forget how they were set."""
    if not ctx.root:
        return not_permitted("modprobe: ERROR")
    if argv[-1] != DRIVER:
        return Reply(
            err=f"modprobe: FATAL: Module {argv[-1]} not found in directory /lib/modules/{ctx.router.kernel}\n",
            status=1,
        )
    software = ctx.router.software
    if "-r" in argv:
        for nic in ctx.router.nics.values():
            nic.channels.update({"combined": 4} if nic.driver == DRIVER else {})
        return Reply(changes=(f"module {DRIVER} unloaded",))
    software.loaded = software.on_disk(ctx.router.kernel)
    return Reply(changes=(f"module {DRIVER} loaded {software.loaded.version or 'in-tree'}",))


# -- packages


def installed(ctx: Context) -> dict[str, str]:
    """Package -> version, filled on first need."""
    software, suite = ctx.router.software, ctx.router.spec.suite
    if not software.packages:
        mine = ("frr", "frr-pythontools") if suite == "frr" else ("bird2",)
        software.packages = {name: AVAILABLE[name][-1] for name in mine}
    return software.packages


def dpkg_query(ctx: Context, argv: Sequence[str]) -> Reply:
    """`dpkg-query -W -f FORMAT NAME...`, with the one format that is used here."""
    names = [w for w in argv[1:] if not w.startswith("-") and "$" not in w]
    have = installed(ctx) | ctx.router.loader.packages
    out = "".join(f"{n} {have[n]} ii \n" for n in names if n in have)
    missing = [n for n in names if n not in have]
    err = "".join(f"dpkg-query: no packages found matching {n}\n" for n in missing)
    return Reply(out, err, status=1 if missing else 0)


def apt_get(ctx: Context, argv: Sequence[str]) -> Reply:
    words = [w for w in argv[1:] if not w.startswith("-") and "::" not in w]
    if words[:1] == ["update"]:
        return Reply("Reading package lists...\n")
    if words[:1] != ["install"]:
        return Reply(err=f"E: Invalid operation {words[0] if words else ''}\n", status=100)
    have, wanted = installed(ctx), dict(w.partition("=")[::2] for w in words[1:])
    for name, version in wanted.items():
        if name not in AVAILABLE:
            return Reply(err=f"E: Unable to locate package {name}\n", status=100)
        if version and version not in AVAILABLE[name]:
            return Reply(err=f"E: Version '{version}' for '{name}' was not found\n", status=100)
    if "frr" in wanted and "frr-pythontools" in have:
        wanted.setdefault("frr-pythontools", wanted["frr"])  # frr-pythontools depends on frr (= its own version)
    new = {n: v or AVAILABLE[n][0] for n, v in wanted.items() if have.get(n) != (v or AVAILABLE[n][0])}
    lines = [
        f"Inst {n} [{have[n]}] ({v} Debian:12)\n" if n in have else f"Inst {n} ({v} Debian:12)\n"
        for n, v in new.items()
    ]
    if "-s" in argv:
        return Reply("".join(lines + [f"Conf {n} ({v} Debian:12)\n" for n, v in new.items()]))
    if not ctx.root:
        return Reply(
            err="E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\n", status=100
        )
    if "--download-only" in argv:
        return Reply("".join(f"Get:1 {n} {v}\n" for n, v in new.items()))
    if ctx.router.breaks("apt"):
        return Reply(
            err="dpkg: error processing package frr (--configure):\n"
            "E: Sub-process /usr/bin/dpkg returned an error code (1)\n",
            status=100,
        )
    return _install(ctx, new)


def _install(ctx: Context, new: dict[str, str]) -> Reply:
    router = ctx.router
    installed(ctx).update(new)
    for name, version in new.items():
        if name.endswith("-dkms"):
            router.software.sources.add(f"{DRIVER}/{version.rpartition('-')[0]}")
            router.software.built[router.kernel] = version.rpartition("-")[0]
    suite = router.spec.suite
    if new and (suite in new or f"{suite}2" in new) and router.daemons_at is not None:
        router.stop_daemons(ctx.now)
        router.plan(ctx.now + router.timing.restart_s, "daemons")
    said = "".join(f"Setting up {name} ({version}) ...\n" for name, version in new.items())
    return Reply(said, changes=tuple(f"package {n} {v}" for n, v in new.items()))


def apt_mark(ctx: Context, argv: Sequence[str]) -> Reply:
    held = ctx.router.software.held
    match argv[1:]:
        case ["showhold", *_]:
            return Reply("".join(f"{n}\n" for n in sorted(held)))
        case ["hold" | "unhold" as verb, *names] if ctx.root:
            before = set(held)
            held.update(names) if verb == "hold" else held.difference_update(names)
            said = "".join(f"{n} set on hold.\n" if verb == "hold" else f"Canceled hold on {n}.\n" for n in names)
            return Reply(said, changes=(f"hold {' '.join(sorted(held))}",) if held != before else ())
        case _:
            return not_permitted("apt-mark")


def keep(ctx: Context, argv: Sequence[str]) -> Reply:
    """The script that keeps package files: NAME FOLDER PACKAGE=VERSION... `tool_fails archive`: they are nowhere."""
    folder, *wanted = argv[1:]
    for name, version in (word.partition("=")[::2] for word in wanted):
        if version not in AVAILABLE.get(name, ()) or ctx.router.breaks("archive"):
            words = f"{name} {version}: neither in the cache of apt nor in its archives, and no dpkg-repack\n"
            return Reply(words, status=3)
        ctx.router.files[f"{folder}/{name}.deb"] = version
    return Reply(changes=(f"file {folder}",))


def back(ctx: Context, argv: Sequence[str]) -> Reply:
    """The script that puts them back: NAME FOLDER UNIT GONE..."""
    folder, _, *gone = argv[1:]
    files = ctx.router.files
    kept = {p[len(folder) + 1 : -4]: v for p, v in files.items() if p.startswith(f"{folder}/") and p.endswith(".deb")}
    have = installed(ctx)
    reply = _install(ctx, {name: version for name, version in kept.items() if have.get(name) != version})
    removed = [have.pop(name) and name for name in gone if name in have]
    return Reply(reply.out, changes=(*reply.changes, *(f"package {name} removed" for name in removed)))


PACKAGES = {
    "apt-get": apt_get, "apt-mark": apt_mark, "dpkg-query": dpkg_query,
    "slipway-packages-keep": keep, "slipway-packages-back": back,
}  # fmt: skip
