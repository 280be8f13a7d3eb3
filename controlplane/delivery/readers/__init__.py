"""Readers of the trail: each follows ``seq`` with its own cursor, one at a time, and misses nothing."""

from controlplane.delivery.readers.callbacks import CALLBACKS
from controlplane.delivery.readers.fanout import FANOUT
from controlplane.delivery.readers.following import BATCH, Read, Reader, Sealed, follow
from controlplane.delivery.readers.notices import NOTICES_READER
from controlplane.delivery.readers.stream import STREAM_READER

# Each by itself: one that fails leaves the others alone.
READERS: tuple[Reader, ...] = (FANOUT, CALLBACKS, NOTICES_READER, STREAM_READER)

__all__ = ["BATCH", "READERS", "Read", "Reader", "Sealed", "follow"]
