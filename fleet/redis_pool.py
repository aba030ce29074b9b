"""Connections to Redis for the cache of requests: one pool for a process, however many requests it answers."""

from typing import Any, ClassVar, Self

import redis


class Shared(redis.ConnectionPool):
    """A pool by its address. Django makes a cache, and with it a pool, for every request that comes over ASGI.

    Without this each request left a connection open until its objects were collected: 36 sockets of the web process
    after 17 minutes at one request in eight seconds (`make proof-long`).
    """

    _made: ClassVar[dict[str, Any]] = {}

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """The pool of this address; options are those of its first use."""
        if (pool := cls._made.get(url)) is None:
            pool = cls._made.setdefault(url, super().from_url(url, **options))
        return pool  # type: ignore[no-any-return]
