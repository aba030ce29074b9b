"""How the server misbehaves when asked to: what real ones, and the proxies before them, do on a bad day."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviours:
    """Switches; all off: a healthy NetBox. An endpoint is its path below /api/, such as `dcim/devices`."""

    endpoint: str = ""  # the one that misbehaves; empty: every list
    from_offset: int = 0  # pages before this one are healthy: trouble in the middle of paging
    status: int = 0  # answer with this status, as a proxy or a crashed worker does
    status_times: int = 0  # so many times, then healthy; 0: always
    retry_after: str = ""  # header sent with that status
    lying_count: int = 0  # added to `count`
    growing_count: bool = False  # `count` grows with every page: somebody is adding rows
    short_page: bool = False  # one row less than there is
    repeat_row: bool = False  # the first row of a page is the one before it: rows moved while we read
    delay_s: float = 0.0  # before the answer begins
    trickle_s: float = 0.0  # between single bytes of the body
    html: bool = False  # a login page with status 200
    garbage: bytes = b""  # this body with status 200
    redirect: str = ""  # to this address
    ignore_filters: bool = False  # a version that does not know a filter ignores it
    echo_token: bool = False  # an error page that repeats the request's headers

    def concern(self, endpoint: str, offset: int) -> bool:
        """Is this request one that goes wrong?"""
        return self.endpoint in {"", endpoint} and offset >= self.from_offset
