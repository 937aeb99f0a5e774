"""Series of a site's own, analysed in shadow; what each came to is kept, so that a run may be cut off."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from millet.cli.cases import replace
from millet.cli.studies import Series
from millet.codec import record
from millet.core.assembler import Waits
from millet.core.language import Language
from millet.evaluate.acceptance.study import Came, SeriesSeen, series_seen
from millet.flow.analyse import Order
from millet.flow.shadow import FAULTS, Shadow
from millet.settings import Settings

Done = Callable[[int], None]
"""Told how many series are done."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Analyses series, each once for the same bytes and the same that is in place."""

    shadow: Shadow
    chosen: Settings
    in_place: bytes
    """What decides about results; another one makes all anew."""
    keep: Path
    """Folder for what each came to."""
    lost: set[Path] = field(default_factory=set)
    """Files that could not be read to their end."""

    def all(self, series: Sequence[Series], jobs: int, done: Done) -> dict[str, SeriesSeen]:
        """What every series came to, by UID; so many at once.

        One that ends by a fault of this machine is not kept: another run tries it again.
        """
        found: dict[str, SeriesSeen] = {}
        with ThreadPoolExecutor(jobs, "accept") as pool:
            begun = {pool.submit(self.seen, one): one.series_uid for one in series}
            try:
                for number, one in enumerate(as_completed(begun), start=1):
                    found[begun[one]] = one.result()
                    done(number)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return found

    def seen(self, series: Series) -> SeriesSeen:
        """What one series came to: kept from before, or now."""
        if kept := self._kept(self._digest(series)):
            return kept
        found = self.look(series)
        if found.reason_code not in FAULTS and self.lost.isdisjoint(series.files):
            document = json.dumps(record.plain(found), indent=1)
            replace(self._place(found.digest), document.encode())
        return found

    def look(self, series: Series) -> SeriesSeen:
        """What it comes to now, whatever is kept."""
        began_s = time.monotonic()
        looked = self.shadow.look(self._order(series), lambda: self._contents(series))
        came = Came(
            series_uid=series.series_uid,
            digest=self._digest(series),
            scanner=series.scanner,
            instances=len(looked.headers),
            seconds=time.monotonic() - began_s,
        )
        return series_seen(came, looked.analysis, looked.headers, waits(self.chosen))

    def _digest(self, series: Series) -> str:
        """Of the bytes of its instances, those that are there twice once; read again where a file changed."""
        stamp = self.keep / f"{_stamp(series)}.digest"
        if stamp.is_file():
            return stamp.read_text(encoding="ascii")
        each = {hashlib.sha256(encoded).hexdigest() for encoded in self._contents(series)}
        digest = hashlib.sha256("".join(sorted(each)).encode()).hexdigest()
        if self.lost.isdisjoint(series.files):
            replace(stamp, digest.encode())
        return digest

    def _contents(self, series: Series) -> Iterator[bytes]:
        for path in series.files:
            try:
                yield path.read_bytes()
            except OSError:
                self.lost.add(path)

    def _order(self, series: Series) -> Order:
        return Order(
            site=self.chosen.site,
            study_uid=series.study_uid,
            series_uid=series.series_uid,
            generation=1,
            created_utc=datetime.now(UTC),
            language=Language(self.chosen.language),
        )

    def _place(self, digest: str) -> Path:
        return self.keep / f"{hashlib.sha256(self.in_place + digest.encode()).hexdigest()}.json"

    def _kept(self, digest: str) -> SeriesSeen | None:
        """What was kept of these bytes; None where nothing was, or it is damaged."""
        try:
            document = json.loads(self._place(digest).read_text(encoding="utf-8"))
            kept = record.built(SeriesSeen, document)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return kept if isinstance(kept, SeriesSeen) and kept.digest == digest else None


def waits(chosen: Settings) -> Waits:
    """The patiences of the service."""
    return Waits(settle_s=chosen.settle_s, quiet_s=chosen.quiet_s, gap_wait_s=chosen.gap_wait_s)


def _stamp(series: Series) -> str:
    """Another one when a file of the series was changed: of names, sizes and times."""
    facts = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in series.files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()
