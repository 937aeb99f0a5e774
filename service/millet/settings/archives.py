"""`[[archive]]`: whom we ask for series, and how they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from millet.core.peer import Peer, ae_title_mistake
from millet.settings.urls import url_mistakes

RETRIEVALS = {"dimse": ("get", "move"), "dicomweb": ("wado",)}
"""How series come, by kind of archive; the first is taken where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSection:
    """One archive. Raises ValueError with every mistake."""

    name: str
    """By which it is called in `millet pull` and `millet find`."""
    kind: str
    """dimse (C-FIND with C-GET or C-MOVE) or dicomweb (QIDO-RS and WADO-RS)."""
    to: str
    """Where it is: `AET@HOST:PORT`, or the URL of the DICOMweb service, below which `/studies` lies."""
    retrieve: str = ""
    """get: series come over our own association; move: the archive sends them to our DICOM port, as which it
    must know us; wado. Empty: get or wado, which need nothing to be configured at the archive."""
    move_to: str = ""
    """Our AE title as the archive knows it, for move; empty for `ae_title`."""
    completes: bool = False
    """Whether it is asked how many instances an arriving series has where that is in doubt, and what is
    missing is pulled. Of one archive at most."""
    priors: bool = False
    """Whether it is asked for earlier exams of a patient while one arrives, and their reports (TID 1500) and
    segmentations are fetched. Off: it is somebody else's machine."""
    priors_to: str = ""
    """AE title of our DICOM port to which it sends priors, for move: it must know us as this, too. A title of
    its own, so that no prior is taken for an exam; what comes there without being asked for is refused."""
    prior_images: bool = False
    """Whether CT series of such exams are fetched too, to be analysed by the model of today for comparison
    only; needs `prior_again`."""
    priors_s: float = 20.0
    """For each wait, and for each retrieval, when it is asked for priors. An archive that fetches from tape
    is given up."""
    calling_ae: str = ""
    """Our AE title towards it; empty for `ae_title`."""
    tls: bool = True
    """Whether the way to it is encrypted and its certificate verified; patients' scans in the clear are for
    networks that nobody else reaches."""
    roots: Path | None = None
    """PEM file of who signs its certificate; by default those that the machine trusts."""
    certificate: Path | None = None
    """PEM file of the certificate that we show it, if it asks for one."""
    key: Path | None = None
    """PEM file of that certificate's key."""
    token_file: Path | None = None
    """File of the bearer token that we send it (dicomweb)."""
    timeout_s: float = 60.0
    """For each wait; long, since archives fetch from tape."""
    limit_s: float = 3600.0
    """For one retrieval in all, whatever the archive does."""

    def __post_init__(self) -> None:
        if mistakes := list(_mistakes(self)):
            raise ValueError("; ".join(mistakes))

    @property
    def way(self) -> str:
        """How series come: get, move or wado."""
        return self.retrieve or RETRIEVALS[self.kind][0]

    @property
    def peer(self) -> Peer:
        """Where it is, for `dimse`."""
        return Peer.parse(self.to)


def archives_mistake(archives: Sequence[ArchiveSection]) -> str:
    """Say what is wrong with all archives together, or return the empty string."""
    names = [one.name for one in archives]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"{', '.join(twice)}: each needs a name of its own"
    completing = [one.name for one in archives if one.completes]
    return f"{', '.join(completing)}: one archive completes series" if len(completing) > 1 else ""


def priors_to(archives: Sequence[ArchiveSection]) -> Sequence[str]:
    """Our AE titles to which archives send priors, each once."""
    return sorted({one.priors_to for one in archives if one.priors_to})


def _mistakes(section: ArchiveSection) -> Iterator[str]:
    if not section.name.strip() or len(section.name) > 100:
        yield f"name {section.name!r} must be a short text"
    if section.kind not in RETRIEVALS:
        yield f"kind {section.kind!r} is none of {', '.join(RETRIEVALS)}"
    else:
        yield from _place_mistakes(section)
        if section.retrieve and section.retrieve not in RETRIEVALS[section.kind]:
            yield f"retrieve: {section.kind} offers {' and '.join(RETRIEVALS[section.kind])}"
    for title in (section.move_to, section.priors_to, section.calling_ae):
        if title and (mistake := ae_title_mistake(title)):
            yield mistake
    if (section.certificate is None) != (section.key is None):
        yield "certificate and key belong together"
    yield from _prior_mistakes(section)
    if not 0 < section.timeout_s <= section.limit_s < float("inf"):
        yield "timeout_s must be above 0, and limit_s not below it"


LONGEST_PRIORS_S = 1800.0
"""Twice that long is kept what nobody came for."""


def _prior_mistakes(section: ArchiveSection) -> Iterator[str]:
    if section.priors and section.way == "move" and not section.priors_to:
        yield "priors by move need priors_to, an AE title of ours that is for nothing else"
    if section.priors_to and not (section.priors and section.way == "move"):
        yield "priors_to is for priors by move"
    if section.prior_images and not section.priors:
        yield "prior_images needs priors = true"
    if not 0 < section.priors_s <= LONGEST_PRIORS_S:
        yield f"priors_s must be above 0, and not above {LONGEST_PRIORS_S:.0f}"


def _place_mistakes(section: ArchiveSection) -> Iterator[str]:
    if section.kind == "dimse":
        try:
            _ = section.peer
        except ValueError as error:
            yield f"to: {error}"
        if section.token_file is not None:
            yield "token_file is for dicomweb"
    else:
        yield from url_mistakes(section.to, tls=section.tls)
