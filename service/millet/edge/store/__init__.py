"""Bytes on disk, durable before anybody is told so: what was received, and the objects that we made."""

from millet.edge.store.objects import ObjectFolder
from millet.edge.store.spool import LogSpool

__all__ = ["LogSpool", "ObjectFolder"]
