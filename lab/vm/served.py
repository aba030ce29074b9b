"""Kernel packages over HTTP, for machines to fetch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.vm.kernels import Kernel


@contextmanager
def packages(address: str, kernels: Sequence[Kernel]) -> Iterator[dict[str, str]]:
    """Serve these packages on an address of this machine; yields SHA-256 -> where it lies."""
    by_path = {f"/{kernel.sha256}.deb": kernel.path for kernel in kernels}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = by_path.get(self.path)
            if path is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.debian.binary-package")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            with path.open("rb") as file:
                while piece := file.read(1 << 16):
                    self.wfile.write(piece)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: who fetched what is told by the machine."""

    server = ThreadingHTTPServer((address, 0), Handler)
    threading.Thread(target=server.serve_forever, name="kernel packages", daemon=True).start()
    try:
        yield {k.sha256: f"http://{address}:{server.server_port}/{k.sha256}.deb" for k in kernels}
    finally:
        server.shutdown()
        server.server_close()
