"""The versions from before, kept on the device: what brings them there, what puts them back without an archive. Pure.

Archives drop a version when the next one comes, and a router that was cut off reaches none: so the files lie on the
device before the change, found in apt's own cache, downloaded, or packed from what is installed (dpkg-repack).
"""

from collections.abc import Sequence

STATE = "/var/lib/slipway"
APT = [
    "-y", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--allow-downgrades",
    "--allow-change-held-packages",
]  # fmt: skip
# Kept 30 days after they were brought: longer than a change soaks, and some 10 MB for a routing suite.
_KEEP = r"""set -e
d=$1; shift
find /var/lib/slipway -maxdepth 1 -name 'packages-*.kept' -mtime +30 -exec rm -rf {} + || true
mkdir -p "$d"; cd "$d"
for p in "$@"; do
  n=${p%%=*}; v=${p#*=}
  [ ! -e "$n.deb" ] || continue
  rm -rf got; mkdir got
  for a in "$(dpkg --print-architecture)" all; do
    c=/var/cache/apt/archives/${n}_$(printf %s "$v" | sed 's/:/%3a/')_$a.deb
    [ ! -e "$c" ] || cp "$c" got/
  done
  [ -n "$(ls got)" ] || (cd got && apt-get download "$n=$v") || (cd got && dpkg-repack "$n") || true
  f=$(ls got/*.deb 2>/dev/null | head -n 1)
  if [ -z "$f" ] || [ "$(dpkg-deb -f "$f" Version)" != "$v" ] || ! dpkg-deb --fsys-tarfile "$f" > /dev/null; then
    echo "$n $v: neither in the cache of apt nor in its archives, and no dpkg-repack"
    exit 3
  fi
  sync "$f"; mv "$f" "$n.deb"
done
rm -rf got; sync "$d"
"""
# A dpkg that was killed makes apt refuse; dpkg itself goes on from there, with the same files.
_BACK = r"""d=$1; u=$2; shift 2
gone=$*
set --
for f in "$d"/*.deb; do [ ! -e "$f" ] || set -- "$@" "$f"; done
for n in $gone; do set -- "$@" "$n-"; done
r=0
if [ $# -gt 0 ] && ! apt-get -o DPkg::Lock::Timeout=120 @APT@ install "$@"; then
  set --
  for f in "$d"/*.deb; do [ ! -e "$f" ] || set -- "$@" "$f"; done
  [ $# -eq 0 ] || dpkg --force-confold --force-downgrade -i "$@" || r=$?
  for n in $gone; do dpkg -r "$n" || r=$?; done
fi
if [ -n "$u" ]; then systemctl reset-failed "$u"; systemctl start "$u" || r=$?; fi
exit $r
""".replace("@APT@", " ".join(APT))


def folder(token: str) -> str:
    return f"{STATE}/packages-{token}.kept"


def keep(token: str, before: dict[str, str]) -> list[str]:
    """Bring package files of what is installed (package > version, "" for none) into the folder; again is harmless."""
    wanted = [f"{name}={version}" for name, version in sorted(before.items()) if version]
    return ["/bin/sh", "-c", _KEEP, "slipway-packages-keep", folder(token), *wanted]


def fetch(wanted: Sequence[str]) -> list[str]:
    """Bring the new ones into apt's cache, so that the minutes of a download are not those of the armed device."""
    return ["apt-get", *APT, "--download-only", "install", *wanted]


def back(token: str, before: dict[str, str], unit: str) -> list[str]:
    """Put all of it back in one transaction, and the daemons of `unit` ("": none) to work if they are not."""
    gone = sorted(name for name, version in before.items() if not version)
    return ["/bin/sh", "-c", _BACK, "slipway-packages-back", folder(token), unit, *gone]
