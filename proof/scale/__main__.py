"""`make proof-scale`: sizes and numbers of workers one after another; each kept, the section written of all there are.

python -m proof.scale --sizes 1000,3000,10000 --workers 1,2,4
python -m proof.scale --profile --shared 300    then: python -m proof.scale.grouped var/proof/scale/profile
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from proof import bytecode
from proof.scale import told
from tests.bench import machine
from tests.postgresql import private_cluster
from tests.redis import private_redis


def measured(routers: int, workers: int, *, soak: str, folder: Path, profiled: bool = False) -> None:
    """One size with so many worker processes, on a PostgreSQL and a Redis of its own; kept in var/proof/scale.

    `profiled`: what is kept is where the CPU went; the figures are those of processes that were slowed down by it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with private_cluster() as database, private_redis() as redis:
        assert redis.process is not None
        environment = {
            **{k: v for k, v in bytecode.kept(os.environ).items() if not k.startswith("SLIPWAY_")},
            "SLIPWAY_DATABASE_URL": database,
            "SLIPWAY_REDIS_URL": redis.url,
            "SLIPWAY_DISPATCH": "celery",
            "SLIPWAY_VAR": str(folder / "var"),
            "SLIPWAY_SECRET_KEY": "only-for-this-measurement",
            "SLIPWAY_LOG_LEVEL": "INFO",
            "SLIPWAY_COLLECT_SECONDS": "0",
            "DJANGO_SETTINGS_MODULE": "fleet.settings",
            **({"SLIPWAY_PROFILED": "1"} if profiled else {}),
        }
        argv = [sys.executable, "-m", "proof.scale.one", "--routers", str(routers), "--workers", str(workers)]
        argv += ["--dir", str(folder), "--redis", str(redis.process.pid), "--soak", soak]
        with (folder / "one.log").open("w") as log:
            done = subprocess.run(
                argv, cwd=machine.REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
    if done.returncode:
        logs = (folder / f"{name}.log" for name in ("worker", "ticker", "one"))
        tails = [log.read_text()[-1500:] for log in logs if log.exists()]
        raise SystemExit("\n".join([f"{routers} routers, {workers} workers: exit {done.returncode}", *tails]))
    if profiled:
        shutil.rmtree(told.PROFILE, ignore_errors=True)
        shutil.copytree(folder / "counted", told.PROFILE)
        (told.PROFILE / "of.json").write_text(done.stdout.splitlines()[-1])
    else:
        told.keep(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,3000,10000", help="routers, with two worker processes each")
    parser.add_argument("--workers", default="1,2,4", help="worker processes, with as many routers as --shared says")
    parser.add_argument("--shared", type=int, default=300, help="routers for the comparison of worker processes")
    parser.add_argument("--soak", choices=("yes", "no", "only", "rows"), default="yes")
    parser.add_argument("--profile", action="store_true", help="only tell where the CPU goes, of --shared routers")
    parser.add_argument("--told", action="store_true", help="only write the section of what there is")
    options = parser.parse_args()
    pairs = [(int(n), 2, options.soak) for n in options.sizes.split(",") if n]
    pairs += [(options.shared, int(n), "no") for n in options.workers.split(",") if n]
    if options.profile:
        pairs = [(options.shared, 2, "no")]
    for routers, workers, soak in [] if options.told else dict.fromkeys(pairs):
        with tempfile.TemporaryDirectory(prefix="slipway-scale-") as folder:
            measured(routers, workers, soak=soak, folder=Path(folder), profiled=options.profile)
        told.say(f"{routers} routers, {workers} worker processes: measured")
    told.write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
