"""Bytes that are durable before anybody is told so: what was received, and the objects that we made.

On disk, or in a bucket of an S3 store: what needs that one's client is loaded where it is asked for.
"""

from typing import TYPE_CHECKING, Any

from millet.edge.store.errands import ErrandFolder
from millet.edge.store.objects import ObjectFolder
from millet.edge.store.segment import rebuild
from millet.edge.store.spool import LogSpool

if TYPE_CHECKING:
    from millet.edge.store.bucket import Bucket
    from millet.edge.store.bucket_errands import ErrandBucket
    from millet.edge.store.bucket_objects import BucketObjects
    from millet.edge.store.bucket_spool import BucketSpool

__all__ = [
    "Bucket",
    "BucketObjects",
    "BucketSpool",
    "ErrandBucket",
    "ErrandFolder",
    "LogSpool",
    "ObjectFolder",
    "rebuild",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    modules = {
        "Bucket": "bucket",
        "BucketObjects": "bucket_objects",
        "BucketSpool": "bucket_spool",
        "ErrandBucket": "bucket_errands",
    }
    if name not in modules:
        raise AttributeError(name)
    return getattr(import_module(f"millet.edge.store.{modules[name]}"), name)
