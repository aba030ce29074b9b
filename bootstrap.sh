#!/bin/sh
# Set-up for `make demo` and `make test`: the Debian packages that are missing, then .venv as uv.lock says.
#
# Safe to run at any time and as often as you like: with nothing to do it takes some tens of milliseconds. As root it
# installs packages; as anybody else it prints the exact line and goes on with what there is. It starts no service.
#   BOOTSTRAP_PACKAGES=0   leave the system alone, make only .venv
#   BOOTSTRAP_RETRY=1      ask again for packages that could not be had today
#   bootstrap.sh vm        also what virtual machines need (`make test-vm`)
set -eu
cd "$(dirname "$0")"
more=${1:-}

# The one list of Debian packages: name, then why. Everything else in the repository refers to this list.
packages() {
    sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' <<'LIST'
python3.11          # the interpreter; Debian 12 has it
python3-venv        # makes .venv and var/tools (bare pip is refused there: PEP 668)
ca-certificates     # package downloads over TLS
debootstrap         # the Debian tree that the routers of the lab ring boot from
util-linux          # unshare, nsenter, setpriv: hosts of the lab, servers of the tests
iproute2            # ip: namespaces, veth, addresses
ethtool             # channels and rings, on the lab's veth pairs for real
procps              # sysctl, ps
busybox-static      # discovery's scripts are tested in its shell too
pci.ids             # names of network cards by their PCI ids
openssh-client      # ssh-keygen for the keys of the lab
openssh-server      # sshd: tests of the transport against the real one
iputils-ping        # Slipway itself as a vantage point of probes
frr                 # checks of rendered FRR configuration (vtysh -C) and its daemons
frr-pythontools     # frr-reload.py: applies a rendered configuration as a difference
bird2               # checks of rendered BIRD configuration (bird -p)
redis-server        # broker of the Celery tests
postgresql          # second leg of the test suite
chromium            # browser tests of the pages
fonts-liberation    # without a font Chromium shows boxes
LIST
    # The emulator and its disk images: 60 MB, of no use to anything else.
    [ "$more" != vm ] || printf '%s\n' qemu-system-x86 dnsmasq-base ipxe-qemu busybox-static qemu-utils
}

say() { printf 'bootstrap: %s\n' "$*" >&2; }

missing_packages() {
    packages | while read -r name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s ' "$name"
    done
}

# Debian starts a service as soon as it is installed. The tests and the lab start their own copies, so nothing that is
# installed here is started (policy-rc.d, Debian policy 9.3.3) nor enabled for the next boot.
no_services_begin() {
    made_policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        made_policy=1
        trap no_services_end EXIT
        trap 'exit 130' INT HUP TERM
    fi
}

no_services_end() {
    [ -z "$made_policy" ] || rm -f /usr/sbin/policy-rc.d
    made_policy=
}

disable_new_services() { # $@: packages that were just installed
    [ -d /run/systemd/system ] || return 0
    for name in "$@"; do
        case $name in
            openssh-server) unit=ssh ;;
            bird2) unit=bird ;;
            frr | redis-server | postgresql) unit=$name ;;
            *) continue ;;
        esac
        systemctl disable --now "$unit" >/dev/null 2>&1 || true
    done
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >>var/bootstrap.log 2>&1 </dev/null; }

install_packages() { # $1: names, separated by blanks
    say "installing $1(log: var/bootstrap.log)"
    no_services_begin
    apt update || say "apt-get update failed; trying with the lists that are there"
    # shellcheck disable=SC2086  # a list of words is meant
    if ! apt install --no-install-recommends $1; then
        for name in $1; do # one that cannot be had must not keep the others out
            apt install --no-install-recommends "$name" || say "cannot be had: $name (see var/bootstrap.log)"
        done
    fi
    no_services_end
    # shellcheck disable=SC2086
    disable_new_services $1
}

debian_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "not a Debian system: install what corresponds to: $(packages | tr '\n' ' ')"
        return 0
    fi
    wanted=$(missing_packages)
    [ -n "$wanted" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "missing, and only root can install them; what needs them is skipped by name. The line is:"
        say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $wanted"
        return 0
    fi
    tried=var/bootstrap.could-not-be-had
    if [ -z "${BOOTSTRAP_RETRY:-}" ] && [ "$(cat $tried 2>/dev/null)" = "$wanted" ] &&
        [ -n "$(find $tried -mmin -1440)" ]; then
        say "could not be had earlier today: $wanted(BOOTSTRAP_RETRY=1 asks again)"
        return 0
    fi
    install_packages "$wanted"
    wanted=$(missing_packages)
    rm -f $tried
    [ -z "$wanted" ] || printf '%s' "$wanted" >$tried
}

find_python() {
    for python in python3.11 /usr/bin/python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python3.11 python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            "$python" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

find_uv() {
    for uv in uv var/tools/bin/uv; do
        if "$uv" --version >/dev/null 2>&1; then
            echo "$uv"
            return 0
        fi
    done
    say "no uv: installing it into var/tools" && "$1" -m venv var/tools >&2 &&
        var/tools/bin/pip install --quiet uv >&2 && echo var/tools/bin/uv
}

# uv takes download addresses from uv.lock. Where only a mirror can be reached (UV_INDEX_URL, UV_DEFAULT_INDEX or pip's
# own settings), the same versions with the same hashes are taken from there.
sync_from_mirror() {
    "$uv" export --quiet --frozen --no-emit-project --output-file var/requirements.txt
    index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
    [ -n "$index" ] || index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
    "$uv" venv --quiet --allow-existing --python "$python" .venv
    "$uv" pip sync --quiet \
        --python .venv/bin/python ${index:+--default-index "$index"} --require-hashes var/requirements.txt
}

virtual_environment() {
    stamp=$(cat uv.lock pyproject.toml bootstrap.sh | cksum)
    if [ -x .venv/bin/python ] && [ "$(cat .venv/slipway-stamp 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    python=$(find_python) || {
        say "Python: found no 3.11, wanted 3.11. Install python3.11 and python3-venv, then run this again."
        exit 1
    }
    uv=$(find_uv "$python") || {
        say "uv: found none, and 'pip install uv' failed. Check the package index (PIP_INDEX_URL), then run this again."
        exit 1
    }
    : "${SSL_CERT_FILE:=${PIP_CERT:-}}" # the certificates that pip was told of, for uv too
    if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi
    export UV_PYTHON_DOWNLOADS=never
    say "making .venv from uv.lock with $python"
    "$uv" sync --quiet --frozen --python "$python" || {
        say "not from the addresses in uv.lock; trying the configured package index"
        sync_from_mirror
    }
    printf '%s' "$stamp" >.venv/slipway-stamp
}

mkdir -p var
[ "${BOOTSTRAP_PACKAGES:-1}" = 0 ] || debian_packages
virtual_environment
