"""The configured archives, and a pull from one of them into the running service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from millet.app.asking import ArchiveDesk, desk
from millet.core.peer import Peer
from millet.core.tag import series_tag
from millet.core.uids import is_uid
from millet.edge.journal import Commitments, JournalClock, journal_url, open_engine
from millet.edge.query import (
    Caller,
    ClientTls,
    DimseArchive,
    Handing,
    Limits,
    WebArchive,
    WebCaller,
)
from millet.errors import ArchiveError
from millet.flow.asking import Named
from millet.flow.fetching import Fetching
from millet.flow.hands import Hands
from millet.flow.pull import Door, Pulled, Puller
from millet.flow.reception import CT_CLASSES
from millet.ports import Archive, Clock, FoundSeries, KeptLog, SeriesName, SeriesQuery, Site
from millet.settings import ArchiveSection, Settings

log = logging.getLogger(__name__)

CLASSES = sorted(CT_CLASSES)


def archives(chosen: Settings) -> Mapping[str, Archive]:
    """The archives that are configured, by name."""
    return {one.name: archive_of(chosen, one) for one in chosen.archive}


def caller(chosen: Settings, section: ArchiveSection) -> Caller:
    """Us towards an archive over DIMSE."""
    return Caller(
        peer=section.peer,
        calling_ae=section.calling_ae or chosen.ae_title,
        limits=_limits(section),
        tls=_tls(section),
    )


def peer_caller(chosen: Settings, peer: Peer) -> Caller:
    """Us towards a peer, or ourselves: in the way in which our own DICOM port is called."""
    tls = None
    if chosen.dicom_tls:
        tls = ClientTls(
            roots=chosen.tls_roots, certificate=chosen.tls_certificate, key=chosen.tls_key, by_name=False
        )
    return Caller(peer=peer, calling_ae=chosen.ae_title, tls=tls)


def answers(chosen: Settings, section: ArchiveSection, within_s: float) -> str:
    """What an archive does when it is asked something. Raises ArchiveError."""
    patient = replace(section, timeout_s=within_s, limit_s=within_s)
    return f"{section.to} {archive_of(chosen, patient).answers()}"


def find(chosen: Settings, archive: str, wanted: SeriesQuery) -> Sequence[FoundSeries]:
    """The series that an archive has. Raises ArchiveError."""
    return _named(archives(chosen), archive).find_series(wanted)


def puller(chosen: Settings, kept: KeptLog, door: Door, clock: Clock) -> Puller:
    """Pulls from every configured archive, into a door."""
    return Puller(archives(chosen), kept, door, clock, time.sleep)


def fetching(chosen: Settings, kept: KeptLog, door: Door, clock: Clock) -> Fetching:
    """Where callers of this process ask for pulls."""
    hands = Hands("pull", chosen.grpc_pulls)
    return Fetching(archives(chosen), puller(chosen, kept, door, clock), hands, tell=_pulled)


def _pulled(told: Pulled) -> None:
    facts = {"series": series_tag(told.name.series_uid), "count": told.new, "why": told.why}
    log.info("series pulled", extra=facts)


def completing(chosen: Settings, kept: KeptLog, door: Callable[[], Door], clock: Clock) -> ArchiveDesk | None:
    """Where the archive is asked that completes series; None where there is none."""
    names = [one.name for one in chosen.archive if one.completes]
    if not names:
        return None
    archive = archives(chosen)[names[0]]

    def count(named: Named) -> int | None:
        return archive.count(SeriesName(*named)) if all(is_uid(one) for one in named) else None

    def fetch(named: Named) -> None:
        told = puller(chosen, kept, door(), clock).pull(names[0], SeriesName(*named))
        facts = {"series": series_tag(told.name.series_uid), "count": told.new, "why": told.why}
        log.info("missing instances pulled", extra=facts)

    return desk(count, clock.monotonic_s, fetch)


def pull(
    chosen: Settings, archive: str, wanted: SeriesQuery, tell: Callable[[Pulled], None]
) -> Sequence[Pulled]:
    """Pull what matches into the service that runs on this configuration, as one of its senders.

    Raises ArchiveError where nothing matches, or the archive cannot be asked.
    """
    names = [one.name for one in find(chosen, archive, wanted)]
    if not names:
        raise ArchiveError("the archive has no such series")
    host = reached(chosen.dicom_host or chosen.host)
    ours = Peer(ae_title=chosen.ae_title, host=host, port=chosen.dicom_port)
    handing = Handing(peer_caller(chosen, ours), CLASSES)
    door = Door(site=chosen.site, admit=handing.admit, ended=handing.ended, number=lambda: 0)
    engine = open_engine(journal_url(chosen.journal_url, chosen.state_dir))
    done = []
    try:
        pulls = puller(chosen, Commitments(engine, _no_work), door, JournalClock(engine))
        for name in names:
            done.append(pulls.pull(archive, name))
            tell(done[-1])
    finally:
        engine.dispose()
    return done


def _no_work(_connection: object, _job: object) -> None:
    raise AssertionError("a pull closes no series")


def _named(known: Mapping[str, Archive], name: str) -> Archive:
    if name not in known:
        named = ", ".join(sorted(known)) or "none is configured"
        raise ArchiveError(f"no archive is named {name!r} ({named})")
    return known[name]


def archive_of(
    chosen: Settings,
    section: ArchiveSection,
    classes: Sequence[str] = CLASSES,
    most_bytes: int = Limits().object_bytes,
) -> DimseArchive | WebArchive:
    """As whose user objects of some classes are fetched, none of them larger than so many bytes."""
    title = section.calling_ae or chosen.ae_title
    limits = replace(_limits(section), object_bytes=most_bytes)
    if section.kind == "dimse":
        move_to = (section.move_to or chosen.ae_title) if section.way == "move" else None
        ours = replace(caller(chosen, section), limits=limits)
        return DimseArchive(ours, classes, chosen.site, move_to)
    web = WebCaller(url=section.to, limits=limits, tls=_tls(section), token_file=section.token_file)
    return WebArchive(web, Site(chosen.site, section.name, title))


def _limits(section: ArchiveSection) -> Limits:
    return Limits(
        connect_s=min(section.timeout_s, 10.0),
        answer_s=section.timeout_s,
        move_s=max(section.timeout_s, min(600.0, section.limit_s)),
        retrieve_s=section.limit_s,
    )


def _tls(section: ArchiveSection) -> ClientTls | None:
    if not section.tls:
        return None
    return ClientTls(roots=section.roots, certificate=section.certificate, key=section.key)


def reached(host: str) -> str:
    """Where a server that binds an address is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - is looked up
