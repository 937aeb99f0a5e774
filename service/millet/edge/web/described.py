"""What programs may ask over HTTP, as an OpenAPI 3.1 description; instances by STOW-RS follow PS3.18."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millet import __version__
from millet.codec.slice_picture import WINDOWS
from millet.core.analysis import TriageLevel
from millet.edge.web.choice import DAYS, SEEN, STATES
from millet.edge.web.found import COLUMNS
from millet.edge.web.pictures import PICTURES

Part = Mapping[str, Any]

TEXT: Part = {"type": "string"}
SEGMENT: Part = {"type": "string", "minLength": 1, "pattern": "^[0-9A-Za-z._-]+$"}
NUMBERS: Part = {"type": "array", "items": {"type": "number"}}
REASONS: Part = {"type": "object", "additionalProperties": TEXT}


async def described(_request: Request) -> Response:
    """The description."""
    return JSONResponse(DESCRIPTION)


def _object(**properties: Part) -> Part:
    return {"type": "object", "required": list(properties), "properties": properties}


def _answer(words: str, kind: str = "", schema: Part | None = None) -> Part:
    content = {kind: {"schema": schema or TEXT}} if kind else {}
    return {"description": words, **({"content": content} if content else {})}


def _json(words: str, schema: Part) -> Part:
    return _answer(words, "application/json", schema)


def _parameter(name: str, where: str, schema: Part) -> Part:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


UNKNOWN: Part = {
    "description": "Nobody was recognised. Browsers, which accept HTML, get the form of a sign-in.",
    "content": {"text/plain": {"schema": TEXT}, "text/html": {"schema": TEXT}},
}


def _asked(summary: str, answers: Mapping[str, Part], *parameters: Part) -> Part:
    """An operation; a gate and a store that is away may answer each of them."""
    others = {
        "401": UNKNOWN,
        "403": _answer("The role does not suffice, or another site's page asks.", "text/plain"),
        "503": _answer("The store does not answer.", "text/html"),
    }
    return {"summary": summary, "parameters": list(parameters), "responses": {**answers, **others}}


def _chosen(name: str, *values: object) -> Part:
    return _parameter(name, "query", {"type": "string", "enum": ["", *map(str, values)]})


OF_SERIES = (_parameter("site", "path", SEGMENT), _parameter("series_uid", "path", SEGMENT))
PAGE = _answer("A page.", "text/html")
NO_PAGE = {"404": _answer("There is no such series.", "text/html")}
NOTHING = {"404": _json("There is no analysis, or nothing of that kind.", _object(error=TEXT))}
NO_PICTURE = {"404": _answer("There is no such picture.", "text/plain")}
GONE = "Retention removed the received instances."
PNG = _answer("A picture.", "image/png", {"type": "string", "contentMediaType": "image/png"})
TOO_LONG = _answer("The body is too long.", "text/plain")
FOUND = _object(
    generation={"type": "integer", "minimum": 1},
    nodules=_object(**{name: {"type": "array"} for name in (*COLUMNS, "where", "fate")}),
    lungs={
        "anyOf": [
            {"type": "null"},
            _object(
                points_mm={"type": "array", "items": NUMBERS},
                outward={"type": "array", "items": NUMBERS},
                side={"type": "array", "items": {"enum": [1, 2]}},
            ),
        ]
    },
)
VIEW = _object(
    rows={"type": "integer"},
    columns={"type": "integer"},
    spacing_mm=NUMBERS,
    row=NUMBERS,
    column=NUMBERS,
    slices={"type": "array"},
)
SLICES = _object(axial=VIEW, coronal=VIEW)
SHOWN = _parameter("window", "query", {"type": "string", "enum": [*WINDOWS]})
NO_WINDOW = {"400": _answer("There is no such window.", "text/plain")}
FORM = _object(
    generation={"type": "integer", "minimum": 1},
    level={"type": "string", "enum": [level.value for level in TriageLevel]},
    by={"type": "string", "minLength": 1, "maxLength": 100},
    request={"type": "string", "minLength": 1, "maxLength": 100},
    back={"type": "string", "description": "An address of this server, for the redirection."},
)
ACKNOWLEDGED = {
    "303": _answer("Acknowledged; the other page shows who has seen it."),
    "400": _answer("What was sent is no acknowledgement.", "text/plain"),
    "409": _answer("The analysis is another one by now: the form comes again.", "text/html"),
    "413": TOO_LONG,
    **NO_PAGE,
}
TOKEN = _object(
    token={"type": "string", "description": "As a program would send it."},
    back={"type": "string", "description": "An address of this server, for the redirection."},
)
SIGNED_IN = {
    "303": _answer("Signed in; the cookie holds the token."),
    "400": _answer("What was sent is no form.", "text/plain"),
    "413": TOO_LONG,
    "429": _answer("Too many tokens that are not known came from this address.", "text/html"),
}
LIST = (
    _chosen("level", *TriageLevel),
    _chosen("state", *STATES),
    _chosen("seen", *SEEN),
    _chosen("overdue", 1),
    _chosen("days", *DAYS),
    _parameter("q", "query", TEXT),
    _parameter("page", "query", TEXT),
)
SERIES = "/series/{site}/{series_uid}"
PROBE = _object(reasons=REASONS)
LIVES = {"200": _json("It does.", _object(live={"type": "boolean"}))}
WELL = {"200": _json("It is.", PROBE), "503": _json("It is not, and why.", PROBE)}


def _probe(summary: str, answers: Mapping[str, Part]) -> Part:
    return {"get": {"summary": summary, "responses": answers}}


DESCRIPTION: Part = {
    "openapi": "3.1.0",
    "info": {
        "title": "Millet over HTTP",
        "version": __version__,
        "description": "Triage aid and research software. No diagnosis, not a medical device.",
    },
    "paths": {
        "/": {"get": _asked("The worklist", {"200": PAGE}, *LIST)},
        "/events": {
            "get": _asked(
                "What open pages are told, as server-sent events: `release`, then `worklist` at each change",
                {"200": _answer("A stream; it ends once a minute.", "text/event-stream")},
            )
        },
        "/signin": {
            "get": _asked("The form of a sign-in", {"200": PAGE}, _parameter("back", "query", TEXT)),
            "post": {
                **_asked("Sign in with a browser", SIGNED_IN),
                "requestBody": {
                    "required": True,
                    "content": {"application/x-www-form-urlencoded": {"schema": TOKEN}},
                },
            },
        },
        "/signin/issuer": {
            "get": _asked(
                "To the issuer's page, where people have accounts",
                {"303": _answer("There."), "404": _answer("Nobody has.", "text/html")},
                _parameter("back", "query", TEXT),
            )
        },
        "/signin/back": {
            "get": _asked(
                "Where the issuer sends people back",
                {"200": PAGE},
                _parameter("state", "query", TEXT),
                _parameter("code", "query", TEXT),
            )
        },
        "/signout": {
            "post": _asked("Sign out", {"303": _answer("The cookie is forgotten."), "413": TOO_LONG})
        },
        SERIES: {
            "get": _asked(
                "One series", {"200": PAGE, **NO_PAGE}, *OF_SERIES, _parameter("from", "query", TEXT)
            )
        },
        f"{SERIES}/found.json": {
            "get": _asked("Its nodules", {"200": _json("By column.", FOUND), **NOTHING}, *OF_SERIES)
        },
        f"{SERIES}/slices.json": {
            "get": _asked(
                "Its slices",
                {
                    "200": _json("Axial, and coronal planes from the front.", SLICES),
                    "410": _json(GONE, _object(error=TEXT)),
                    **NOTHING,
                },
                *OF_SERIES,
            )
        },
        f"{SERIES}/slices/{{sop_instance_uid}}": {
            "get": _asked(
                "One slice as a picture",
                {"200": PNG, "410": _answer(GONE, "text/plain"), **NO_WINDOW, **NO_PICTURE},
                *OF_SERIES,
                _parameter("sop_instance_uid", "path", SEGMENT),
                SHOWN,
            )
        },
        f"{SERIES}/coronal/{{volume}}/{{plane}}": {
            "get": _asked(
                "One coronal plane as a picture; `slices.json` names them",
                {"200": PNG, **NO_WINDOW, **NO_PICTURE},
                *OF_SERIES,
                _parameter("volume", "path", SEGMENT),
                _parameter("plane", "path", SEGMENT),
                SHOWN,
            )
        },
        f"{SERIES}/acknowledge": {
            "get": _asked(
                "The form of an acknowledgement",
                {"200": PAGE, **NO_PAGE},
                *OF_SERIES,
                _parameter("back", "query", TEXT),
            ),
            "post": {
                **_asked("Acknowledge a study", ACKNOWLEDGED, *OF_SERIES),
                "requestBody": {
                    "required": True,
                    "content": {"application/x-www-form-urlencoded": {"schema": FORM}},
                },
            },
        },
        f"{SERIES}/{{picture}}": {
            "get": _asked(
                "A projection",
                {"200": PNG, **NO_PICTURE},
                *OF_SERIES,
                _parameter("picture", "path", {"type": "string", "enum": list(PICTURES)}),
            )
        },
        "/metrics": {"get": _asked("Prometheus' text format", {"200": _answer("Metrics.", "text/plain")})},
        "/healthz": _probe("Whether the process lives", LIVES),
        "/readyz": _probe("Whether series may be sent here", WELL),
        "/startupz": _probe("Whether it was ready once", WELL),
    },
}
