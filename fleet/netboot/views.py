"""The boot endpoint: what an iPXE asks for. No session and no page; a token of the network and a known address."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from fleet import clock
from fleet.netboot import serving
from fleet.netboot.script import failing, script, start

_PIECE = 256 * 1024


def _text(body: str, status: int = 200) -> HttpResponse:
    return HttpResponse(body, content_type="text/plain; charset=utf-8", status=status)


def _nobody() -> HttpResponse:
    """The same for a wrong token, an unknown address and a wrong UUID."""
    return _text("#!ipxe\necho Slipway: no boot target for this host\nexit\n", 404)


@require_GET
def first(request: HttpRequest, token: str) -> HttpResponse:
    """What option 59 names: it only tells the host to say who it is."""
    return _text(start())


@require_GET
def host(request: HttpRequest, token: str) -> HttpResponse:
    """The script of a host. Four statements at most, however many hosts there are."""
    found = serving.host_of(token, request.GET.get("mac", ""), request.GET.get("uuid", ""))
    if found is None:
        return _nobody()
    now = clock.now()
    if serving.too_often(found, now):
        return _text(failing("asked too often; trying again"), 429)
    return _text(script(serving.serve(found, now)))


@require_GET
def file(request: HttpRequest, token: str, number: int, what: str) -> HttpResponse | StreamingHttpResponse:
    """Kernel or initramfs of a target that this host was served."""
    target = serving.target_of(token, request.GET.get("mac", ""), number)
    name = {"kernel": target.kernel, "initrd": target.initrd}.get(what, "") if target is not None else ""
    root = settings.SLIPWAY_NETBOOT_DIR
    if not name or not root:
        return _text("no such file\n", 404)
    place = (Path(root) / name).resolve()
    if not place.is_relative_to(Path(root).resolve()) or not place.is_file():
        return _text("no such file\n", 404)
    answer = StreamingHttpResponse(_pieces(place), content_type="application/octet-stream")
    answer["Content-Length"] = str(place.stat().st_size)
    return answer


async def _pieces(place: Path) -> AsyncIterator[bytes]:
    """A file a piece at a time: an initramfs of 100 MB is never in memory whole, however many hosts boot."""
    with place.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


urlpatterns: list[URLPattern] = [
    path("boot/<str:token>/start.ipxe", first, name="boot-start"),
    path("boot/<str:token>/host.ipxe", host, name="boot-host"),
    path("boot/<str:token>/files/<int:number>/<str:what>", file, name="boot-file"),
]
