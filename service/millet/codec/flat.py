"""Values of plain fields (numbers, text, lists of them) as JSON documents, for columns of the journal.

A field that has a default and is not in the document is younger than it; one that the value no longer
has is passed over. So documents outlive both an older and a newer version.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def encode(value: object) -> str:
    """Write a dataclass value; fields by name, tuples as lists."""
    return json.dumps(asdict(cast("Any", value)))


def decode(kind: type[T], document: str) -> T:
    """Read what `encode` wrote of a value of this kind; ValueError for a damaged document."""
    found: Any = json.loads(document)
    if not isinstance(found, dict):
        raise ValueError(f"damaged {kind.__name__} document")  # noqa: TRY004 - as any other damage
    known = {field.name for field in fields(cast("Any", kind))}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items() if name in known}
    try:
        return kind(**given)
    except TypeError as damage:
        raise ValueError(f"damaged {kind.__name__} document") from damage
