"""python -m lab.netbox [--devices 100] [--port 8001]: serve a made fleet until Ctrl-C."""

import argparse
import contextlib
import threading

from lab.netbox import NetBoxServer, fleet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    with NetBoxServer(fleet(options.devices), port=options.port) as server:
        print(f"{server.url} answers as NetBox {server.version}; token {server.token}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
