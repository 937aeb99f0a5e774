"""The web application: worklist, one series, what is told as it happens, metrics, probes.

Nothing is cached anywhere, everything is escaped, and a page may load only what this server serves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from millet.edge.web.acknowledging import Acknowledging
from millet.edge.web.calls import Calls
from millet.edge.web.described import described
from millet.edge.web.elsewhere import BEGIN, END, Elsewhere
from millet.edge.web.feed import Feed
from millet.edge.web.gate import GateKeeper
from millet.edge.web.hygiene import BodyLimit, HostCheck, RequestName, SameSite, SecurityHeaders
from millet.edge.web.pages import Pages
from millet.edge.web.pictures import Pictures
from millet.edge.web.probes import Probes
from millet.edge.web.signing_in import SIGN_IN, SIGN_OUT, SigningIn
from millet.edge.web.sources import Sources
from millet.edge.web.stow import routes
from millet.errors import StoreError
from millet.ports import Gate, SignsIn

STATIC = Path(__file__).parent / "static"
SERIES = "/series/{site}/{series_uid}"


def application(
    sources: Sources,
    feed: Feed,
    *,
    gate: Gate | None = None,
    issuer: SignsIn | None = None,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
) -> Starlette:
    """The application over its sources.

    Args:
        sources: what is shown.
        feed: what open pages are told.
        gate: who may see it; None for everybody.
        issuer: who signs people in on pages of its own; None for nobody.
        hosts: names by which it may be addressed; none for any.
        origins: of other sites, whose pages may make calls.
    """
    calls = [Middleware(Calls, answer=sources.calls, origins=origins)] if sources.calls else []
    pages, pictures = Pages(sources), Pictures(sources)
    acknowledging = Acknowledging(sources, pages)
    probes = Probes(sources.ready, sources.metrics)
    signing_in = SigningIn(pages, gate, has_issuer=issuer is not None)
    elsewhere = Elsewhere(pages, signing_in, gate, issuer)
    keeper = [Middleware(GateKeeper, gate=gate, unknown=signing_in.unknown)] if gate else []
    return Starlette(
        routes=[
            Route("/", pages.worklist),
            Route("/events", feed.events),
            Route(SIGN_IN, signing_in.form),
            Route(SIGN_IN, signing_in.take, methods=["POST"]),
            Route(BEGIN, elsewhere.begin),
            Route(END, elsewhere.end),
            Route(SIGN_OUT, signing_in.leave, methods=["POST"]),
            Route(SERIES, pages.series),
            Route(f"{SERIES}/found.json", pages.found),
            Route(f"{SERIES}/slices.json", pictures.slices),
            Route(f"{SERIES}/slices/{{sop_instance_uid}}", pictures.slice),
            Route(f"{SERIES}/coronal/{{volume}}/{{plane}}", pictures.coronal),
            Route(f"{SERIES}/acknowledge", acknowledging.ask),
            Route(f"{SERIES}/acknowledge", acknowledging.take, methods=["POST"]),
            Route(f"{SERIES}/{{picture}}", pictures.projection),
            *(routes(sources.stow) if sources.stow else ()),
            *_probes(probes),
            Route("/openapi.json", described),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(RequestName),
            Middleware(SecurityHeaders),
            Middleware(HostCheck, hosts=hosts),
            *calls,  # which have a gate and limits of their own
            Middleware(SameSite),
            Middleware(BodyLimit),
            *keeper,
        ],
        exception_handlers={404: pages.not_found, StoreError: pages.unavailable},
    )


def watching(ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> Starlette:
    """Metrics and probes alone, without a page and without a gate: nothing of a patient is in them."""
    return Starlette(
        routes=_probes(Probes(ready, metrics)),
        middleware=[Middleware(SecurityHeaders), Middleware(BodyLimit)],
    )


def _probes(probes: Probes) -> list[Route]:
    return [
        Route("/metrics", probes.metrics),
        Route("/healthz", probes.live),
        Route("/readyz", probes.ready),
        Route("/startupz", probes.started),
    ]
