"""Queues of very many flows at once: the tables of core's Toeplitz hash, looked up with NumPy.

Equal to `fleet.core.rss.Rss.queue_of` for every input (tests/core/test_rss_predict.py); for a million flows and more.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fleet.core.rss import is_table, tables

Words = npt.NDArray[np.uint32]


def pack(inputs: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """What is hashed of each flow, all of one length, as rows of bytes."""
    length = len(inputs[0]) if inputs else 0
    if any(len(one) != length for one in inputs):
        raise ValueError("found inputs of different lengths, wanted one length (IPv4 or IPv6, with ports or without)")
    return np.frombuffer(b"".join(inputs), dtype=np.uint8).reshape(len(inputs), length)


def hashes(key: bytes, rows: npt.NDArray[np.uint8]) -> Words:
    """The Toeplitz hash of each row (at most 36 bytes). Raises KeyRefused, ValueError for rows that are too long."""
    known = np.array(tables(key), dtype=np.uint32)
    if rows.shape[1] > len(known):
        raise ValueError(f"found {rows.shape[1]} bytes to hash, wanted at most {len(known)}")
    made = np.zeros(rows.shape[0], dtype=np.uint32)
    for place in range(rows.shape[1]):
        made ^= known[place][rows[:, place]]
    return made


def queues(key: bytes, table: Sequence[int], rows: npt.NDArray[np.uint8]) -> Words:
    """The queue of each row. ValueError for a table whose size is no power of two: the bucket is not known then."""
    if not is_table(table):
        raise ValueError(f"found a table of {len(table)} entries, wanted 2^n")
    lookup = np.array(table, dtype=np.uint32)
    found: Words = lookup[hashes(key, rows) & np.uint32(len(table) - 1)]
    return found
