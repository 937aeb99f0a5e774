"""A copy of all that must survive, made while the service runs, checked, and put back.

The journal is copied first: what it refers to was durable before it was journalled, so that everything it
names is in the copies made after it, but for what retention removed. What the spool holds beyond that is
journalled by whoever starts on the restored state. The manifest is written last: without it there is none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from millet import __version__
from millet.app import bucket_backup
from millet.edge import copies
from millet.edge.copies import Copy
from millet.edge.journal import journal_url, migrate_apart, open_engine, snapshot
from millet.edge.store import LogSpool
from millet.errors import ServiceError, StoreError
from millet.settings import Settings

FORMAT = 1
MANIFEST, JOURNAL = "manifest.json", "journal.jsonl"
FOLDERS = ("spool", "objects")


class Backup(NamedTuple):
    """What a backup holds."""

    rows: Counter[str]
    """By table."""
    files: Sequence[Copy]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(one.size_bytes for one in self.files)


def make(chosen: Settings, out: Path) -> Backup:
    """Copy journal, spool and objects to a new folder. Raises ServiceError, OSError."""
    if out.exists() and any(out.iterdir()):
        raise ServiceError(f"{out} is not empty; a backup needs a folder of its own")
    out.mkdir(parents=True, exist_ok=True)
    engine, rows = open_engine(journal_url(chosen.journal_url, chosen.state_dir)), Counter[str]()

    def lines() -> Iterator[str]:
        for table, line in snapshot.dump(engine):
            rows[table] += 1
            yield line

    try:
        files = [copies.written(out, JOURNAL, lines())]
    finally:
        engine.dispose()
    if chosen.spool_url:
        files += bucket_backup.taken(chosen, out)
    else:
        files += (one for name in FOLDERS for one in copies.copied(chosen.state_dir / name, out, name))
    manifest = {
        "format": FORMAT,
        "millet": __version__,
        "site": chosen.site,
        "made_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": rows,
        "files": [one._asdict() for one in files],
    }
    copies.written(out, MANIFEST, [json.dumps(manifest, indent=1)])
    return Backup(rows, files)


def read(folder: Path) -> Backup:
    """What a backup says that it holds. Raises ServiceError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise ServiceError(f"{folder} is a backup of format {manifest['format']}, not {FORMAT}")
        return Backup(Counter(manifest["rows"]), [Copy(**one) for one in manifest["files"]])
    except FileNotFoundError as error:
        raise ServiceError(f"{folder} holds no backup that was finished: no {MANIFEST}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"{folder / MANIFEST} cannot be read") from error


def faults(folder: Path) -> Iterator[str]:
    """All that is wrong with a backup: files that changed, and what is journalled and cannot be read."""
    backup = read(folder)
    for copy in backup.files:
        if wrong := copies.fault(folder, copy):
            yield f"{copy.path} {wrong}"
    if not (folder / JOURNAL).is_file():
        return
    spool, objects = LogSpool(folder / "spool", "verify"), folder / "objects"
    with (folder / JOURNAL).open(encoding="utf-8") as lines:
        held = {one.path for one in backup.files}
        wanted = snapshot.undelivered(lines)
        lines.seek(0)
        for one in snapshot.stored(lines, wanted):
            file = f"spool/{one.path.partition('@')[0]}" if one.digest else f"objects/{one.path}"
            if one.done and file not in held:
                continue  # made room for, as was configured
            found = _instance(spool, one) if one.digest else _object(objects, one.path)
            if found:
                yield f"{one.table} {one.path} {found}"


def restore(chosen: Settings, folder: Path) -> Backup:
    """Put a backup in the place of a state that is empty. Raises ServiceError, OSError.

    Everything is checked before anything is written.
    """
    if wrong := list(faults(folder)):
        raise ServiceError(f"the backup is damaged in {len(wrong)} places, the first: {wrong[0]}")
    here = [name for name in (*FOLDERS, "journal.db") if _holds_something(chosen.state_dir / name)]
    if here:
        raise ServiceError(f"{chosen.state_dir} is not empty: {', '.join(here)}")
    if chosen.spool_url and (there := bucket_backup.held(chosen)):
        raise ServiceError(f"{chosen.spool_url} is not empty: {', '.join(there)}")
    engine = open_engine(journal_url(chosen.journal_url, chosen.state_dir))
    try:
        migrate_apart(engine)
        with (folder / JOURNAL).open(encoding="utf-8") as lines:
            snapshot.load(engine, lines)
    finally:
        engine.dispose()
    if chosen.spool_url:
        bucket_backup.put(chosen, folder)
    else:
        for name in FOLDERS:
            list(copies.copied(folder / name, chosen.state_dir, name))
    return read(folder)


def _instance(spool: LogSpool, one: snapshot.Reference) -> str:
    try:
        return "" if spool.is_whole(one.path, one.digest) else "has other bytes than were received"
    except StoreError:
        return "is missing"


def _object(objects: Path, path: str) -> str:
    """Objects are named after their bytes; reading one through the store makes no folder here."""
    return "" if (objects / path).is_file() else "is missing"


def _holds_something(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(one.is_file() for one in path.rglob("*")))
