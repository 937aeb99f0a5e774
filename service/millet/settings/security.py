"""Mistakes in what the settings say of peers, certificates and tokens, each in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from millet.core import canary
from millet.core.doors import ANY, Called, Known, Rules, named
from millet.core.peer import ae_title_mistake
from millet.settings.archives import priors_to

if TYPE_CHECKING:
    from millet.settings.settings import Settings


def rules(settings: Settings) -> Rules:
    """Who may come in over DICOM; the simple lists and the sections in one. Raises ValueError."""
    listed: tuple[Known, ...] = named(settings.known_peers)
    called = tuple(one.policy() for one in settings.called) or (Called(ae_title=ANY),)
    fetching = tuple(Called(ae_title=title, fetches=True) for title in priors_to(settings.archive))
    return Rules(
        peers=(*listed, *(one.known() for one in settings.peer)),
        called=(*called, *fetching),
        emergencies=frozenset(settings.emergency_peers),
        canary_from=settings.dicom_host or settings.host,
    )


def security_mistakes(settings: Settings) -> Iterator[str]:
    """Everything that does not fit together."""
    if not any(ae_title_mistake(title) for title in settings.known_peers):  # which are told by themselves
        try:
            rules(settings)
        except ValueError as error:
            yield f"peer, called: {error}"
    yield from _reserved_mistakes(settings)
    yield from _tls_mistakes(settings)
    yield from _oidc_mistakes(settings)


def _reserved_mistakes(settings: Settings) -> Iterator[str]:
    """Where something of a patient's would go the way of the canary."""
    if settings.site == canary.NAME:
        yield f"site: {canary.NAME!r} is the canary's"
    if any(one.name == canary.NAME for one in settings.destinations):
        yield f"destinations: {canary.NAME!r} is the canary's"
    titles = {settings.ae_title, *settings.known_peers, *settings.emergency_peers}
    titles |= {one.ae_title for one in settings.peer} | {one.ae_title for one in settings.called}
    if canary.TITLE in titles:
        yield f"ae_title, known_peers, emergency_peers, peer, called: {canary.TITLE} is the canary's title"
    exams = {settings.ae_title, canary.TITLE} | {one.move_to for one in settings.archive}
    if taken := [title for title in priors_to(settings.archive) if title in exams]:
        yield f"archive: priors_to {taken[0]!r} is for priors alone, and a title to which exams are sent"


def _tls_mistakes(settings: Settings) -> Iterator[str]:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        yield "tls_certificate, tls_key: each needs the other"
    has = settings.tls_certificate is not None
    if settings.tls_roots is not None and not has:
        yield "tls_roots: needs tls_certificate and tls_key"
    if settings.dicom_tls and not (has and settings.tls_roots):
        yield "dicom_tls: both ends prove who they are, which needs tls_certificate, tls_key and tls_roots"
    if settings.grpc_client_certificates and not settings.tls_roots:
        yield "grpc_client_certificates: needs tls_roots"


def _oidc_mistakes(settings: Settings) -> Iterator[str]:
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        yield "oidc_issuer, oidc_audience: each needs the other"
    if settings.oidc_keys and not settings.oidc_issuer:
        yield "oidc_keys: needs oidc_issuer and oidc_audience"
    if settings.oidc_client_id and not settings.oidc_issuer.startswith("https://"):
        yield "oidc_client_id: needs oidc_issuer, an https:// address, and oidc_audience"
    if settings.oidc_client_secret_file and not settings.oidc_client_id:
        yield "oidc_client_secret_file: needs oidc_client_id"
    for name in ("oidc_issuer", "oidc_keys"):
        if getattr(settings, name).startswith("http://"):
            yield f"{name}: keys that come over http:// can be forged on the way; https:// or a file"
