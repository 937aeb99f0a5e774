"""A place in a bucket of an S3 store, written `s3://BUCKET/PREFIX`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URL = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[\w-][\w.-]*)*)/?", re.ASCII
)
"""Nothing but names: a URL that holds a user, a secret or a question is none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketUrl:
    """Which bucket, and below which prefix of it; empty for all of it."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> BucketUrl:
        """Read `s3://BUCKET/PREFIX`. Raises ValueError, without the text: it may hold a secret."""
        found = _URL.fullmatch(text)
        if found is None:
            raise ValueError("not of the form s3://BUCKET/PREFIX, in names of letters, digits, '-' and '.'")
        return cls(bucket=found["bucket"], prefix=found["prefix"].strip("/"))
