"""What a receiver has really kept: one that acknowledges and loses is no result."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from dimse import messages

from ingesting import load


class LostError(Exception):
    """An instance was acknowledged and is not there, or not whole."""


def files(folder: Path) -> Collection[str]:
    """SOP Instance UIDs after which files are named, as storescp's of DCMTK and pynetdicom are."""
    return {path.name.partition(".")[2] for path in folder.iterdir()}


def rows(state: Path) -> Mapping[str, str]:
    """The path within the spool of each instance in our journal, by SOP Instance UID."""
    with closing(sqlite3.connect(f"file:{state}/journal.db?mode=ro", uri=True, timeout=30)) as journal:
        return dict(journal.execute("SELECT sop_instance_uid, path FROM instance"))


def check(acknowledged: Collection[str], held: Collection[str]) -> None:
    """Raise LostError unless all that was acknowledged is held."""
    if lost := frozenset(acknowledged).difference(held):
        raise LostError(f"{len(lost)} of {len(acknowledged)} acknowledged instances were not kept")


def check_bytes(
    paths: Mapping[str, str], read: Callable[[str], bytes], sent: Iterable[tuple[str, bytes]]
) -> None:
    """Raise LostError unless a spool, read by the paths of `rows`, has every data set byte by byte."""
    for uid, data_set in sent:
        if not read(paths[uid]).endswith(data_set):
            raise LostError("an acknowledged instance has other bytes than were sent")


def data_sets(folder: Path, associations: int, each: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """What `load` sends with the same arguments: UID and data set."""
    instances = load.read(folder)
    heads = [one.head for one in instances]
    for association in range(associations):
        for index, head in load.series(heads, each, seed, association):
            yield messages.uid(head, messages.SOP_INSTANCE), head + instances[index].rest
