"""STOW-RS: instances over HTTP, into the same durable intake as C-STORE (PS3.18 10.5).

The body is read piece by piece; each part is handed on as soon as it is whole, and while it is written the
next is read: two parts of a request are in memory at a time, and so many requests at once. What the answer
calls stored is durable. A request that breaks off, or grows too long, stores what came whole until then; the
sender, who gets no success for it, sends it again, and the same bytes twice are one instance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from millet.codec.dicomjson import MEDIA_TYPE, Outcome, store_response
from millet.codec.elements import transfer_syntax
from millet.codec.identifiers import names_of
from millet.codec.multipart import Multipart, MultipartError, Part, content_type
from millet.core.uids import is_uid
from millet.errors import RefusedInstance, StoreError
from millet.ports import Received, Site

OUT_OF_RESOURCES = 0xA700
"""Failure reasons (PS3.18 I.2.2) are the statuses that C-STORE would have had."""
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
SUCCESS, SOME_FAILED, BAD_REQUEST, CONFLICT = 200, 202, 400, 409
TOO_LONG, UNSUPPORTED, BUSY, NO_ROOM, TIMEOUT = 413, 415, 503, 507, 408
ANSWERS = ("*/*", "application/*", MEDIA_TYPE, "application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stow:
    """Where instances go, and how much is taken. The callables may block; they are called in threads."""

    source: Callable[[Request], Site]
    """Whose instances these are: our site, and who sends them."""
    admit: Callable[[Received, int], None]
    """As for an association: returns when an instance is durable; RefusedInstance, StoreError."""
    ended: Callable[[int], None]
    """A request ended, as an association does."""
    number: Callable[[], int]
    """A number for one more request; no association has it."""
    body_bytes: int = 16_000_000_000
    """Of a request."""
    object_bytes: int = 1_000_000_000
    """Of one instance."""
    requests: int = 4
    """At once; further ones are told to come again."""
    silence_s: float = 60.0
    """Between two pieces of a body."""


class _Ended(Exception):  # noqa: N818 - the answer to a request that cannot go on
    """The body cannot be read on, for a reason that has an HTTP status."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def routes(stow: Stow) -> list[Route]:
    """`POST /studies` and `POST /studies/{study}`."""
    service = _Service(stow)
    return [
        Route("/studies", service.store, methods=["POST"]),
        Route("/studies/{study_uid}", service.store, methods=["POST"]),
    ]


class _Service:
    def __init__(self, stow: Stow) -> None:
        self._stow = stow
        self._open = 0

    async def store(self, request: Request) -> Response:
        """One store request."""
        try:
            multipart = _multipart(request, self._stow)
        except _Ended as refusal:
            return _told(refusal.status, str(refusal))
        if self._open >= self._stow.requests:
            return _told(BUSY, "so many requests at once are not taken", {"retry-after": "1"})
        self._open += 1
        one = _Request(self._stow, request, multipart)
        try:
            return await one.answer()
        finally:
            self._open -= 1
            await asyncio.to_thread(self._stow.ended, one.number)


class _Request:
    """One body, as it is read."""

    def __init__(self, stow: Stow, request: Request, multipart: Multipart) -> None:
        self.number = stow.number()
        self._stow = stow
        self._request = request
        self._multipart = multipart
        self._source = stow.source(request)
        self._study_uid: str = request.path_params.get("study_uid", "")
        self._outcomes: list[Outcome] = []
        self._writing: asyncio.Task[Outcome] | None = None

    async def answer(self) -> Response:
        """Read it to its end, and say what became of each part."""
        try:
            try:
                await self._read()
            finally:
                await self._written()
        except _Ended as ended:
            if not self._outcomes:
                return _told(ended.status, str(ended))
            return self._answer(ended.status)
        if not self._outcomes:
            return _told(BAD_REQUEST, "the body has no parts")
        return self._answer(_status(self._outcomes))

    async def _read(self) -> None:
        size_bytes, pieces = 0, self._request.stream().__aiter__()
        while not self._multipart.ended:
            try:
                piece = await asyncio.wait_for(anext(pieces), self._stow.silence_s)
            except StopAsyncIteration:
                raise _Ended(BAD_REQUEST, "the body breaks off") from None
            except ClientDisconnect:
                raise _Ended(BAD_REQUEST, "the sender is gone") from None
            except TimeoutError:
                raise _Ended(TIMEOUT, "the body does not go on") from None
            size_bytes += len(piece)
            if size_bytes > self._stow.body_bytes:
                raise _Ended(TOO_LONG, "the body is longer than what is taken")
            for part in _fed(self._multipart, piece):
                await self._written()
                self._writing = asyncio.create_task(asyncio.to_thread(self._store, part))

    async def _written(self) -> None:
        """Wait for the part that is being written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._outcomes.append(await writing)

    def _store(self, part: Part) -> Outcome:
        """One part, as C-STORE would; whatever goes wrong becomes a failure reason."""
        unread = Outcome("", "", "", "", CANNOT_UNDERSTAND)
        if part.encoded is None:
            return unread._replace(failure=OUT_OF_RESOURCES)
        if part.media_type != "application/dicom" or part.encoded[128:132] != b"DICM":
            return unread
        try:
            names = names_of(part.encoded)
        except ValueError:
            return unread
        if not all(is_uid(uid) for uid in names):
            return unread
        outcome = Outcome(*names)
        if self._study_uid not in {"", names.study_uid}:
            return outcome._replace(failure=DOES_NOT_MATCH)
        received = Received(
            source=self._source,
            sop_class_uid=names.sop_class_uid,
            sop_instance_uid=names.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax(part.encoded),
            encoded=part.encoded,
        )
        return outcome._replace(failure=self._failure(received))

    def _failure(self, received: Received) -> int | None:
        try:
            self._stow.admit(received, self.number)
        except RefusedInstance as refusal:
            return refusal.status
        except StoreError:
            return OUT_OF_RESOURCES
        except Exception:  # noqa: BLE001 - one bad instance must not end the request
            return PROCESSING_FAILURE
        return None

    def _answer(self, status: int) -> Response:
        return Response(store_response(self._outcomes, ""), status, media_type=MEDIA_TYPE)


def _multipart(request: Request, stow: Stow) -> Multipart:
    """A reader for the body that the headers announce. Raises _Ended."""
    told = content_type(request.headers.get("content-type", ""))
    if told.media_type != "multipart/related" or told.type not in {"", "application/dicom"}:
        raise _Ended(UNSUPPORTED, 'only multipart/related; type="application/dicom" is taken')
    if not _takes_our_answer(request.headers.get("accept", "*/*")):
        raise _Ended(406, f"answers come as {MEDIA_TYPE} only")
    study_uid = request.path_params.get("study_uid", "")
    if study_uid and not is_uid(study_uid):
        raise _Ended(BAD_REQUEST, "the address names no study")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > stow.body_bytes:
        raise _Ended(TOO_LONG, "the body is longer than what is taken")
    try:
        return Multipart(told.boundary, stow.object_bytes)
    except MultipartError as error:
        raise _Ended(BAD_REQUEST, str(error)) from error


def _takes_our_answer(accept: str) -> bool:
    return any(one.partition(";")[0].strip().lower() in ANSWERS for one in accept.split(","))


def _fed(multipart: Multipart, piece: bytes) -> Iterator[Part]:
    try:
        yield from multipart.feed(piece)
    except MultipartError as error:
        raise _Ended(BAD_REQUEST, str(error)) from error


def _status(outcomes: list[Outcome]) -> int:
    """The status of a request that was read to its end (PS3.18 table 10.5.3-1)."""
    failures = [one.failure for one in outcomes if one.failure is not None]
    if not failures:
        return SUCCESS
    if len(failures) < len(outcomes):
        return SOME_FAILED
    return NO_ROOM if all(one == OUT_OF_RESOURCES for one in failures) else CONFLICT


def _told(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers)
