"""An `Archive` over DICOMweb: QIDO-RS and WADO-RS (PS3.18 10.4, 10.6)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from urllib.parse import quote, urlencode

from millet.codec import dicomjson
from millet.codec.elements import transfer_syntax
from millet.codec.identifiers import Row, names_of
from millet.codec.multipart import Multipart, MultipartError, Part, content_type
from millet.edge.query.asking import NOBODYS, Asking, Level
from millet.edge.query.gathering import Gathering
from millet.edge.query.http import WebCaller, connection
from millet.errors import ArchiveError, RefusedInstance
from millet.ports import Received, Retrieved, SeriesName, Site, Take

PIECE_BYTES = 1 << 18
ROWS = 1000
"""Asked for at once. A server may give fewer; it is asked again until nothing new comes."""
LONGEST_JSON_BYTES = 1 << 26
CANNOT_UNDERSTAND = 0xC000
INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_KEYS_IN_PATH = {Level.STUDY: 0, Level.SERIES: 1, Level.IMAGE: 2}
"""How many of study and series stand in the address of a question."""


class WebArchive(Asking):
    """An `Archive` over HTTP. Thread-safe.

    Args:
        caller: the server.
        source: of what is retrieved: site, the archive's name as the sender, and ours.
    """

    def __init__(self, caller: WebCaller, source: Site) -> None:
        self._caller = caller
        self._source = source

    def answers(self) -> str:
        """What it does when it is asked for a study that nobody has. Raises ArchiveError.

        Who finds nothing answers 200 or 204 (PS3.18 8.3.4.4), so that 404 is of a wrong address.
        """
        try:
            self._rows(_question(Level.STUDY, NOBODYS), Level.STUDY)
        except _NotThere:
            raise ArchiveError("the archive answered 404: there are no studies at its address") from None
        return "answers QIDO-RS"

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Have a series sent; see `ports.Archive`."""
        gathering = Gathering(into)
        path = "/studies/{}/series/{}".format(*name.checked())
        paths = [f"{path}/instances/{uid}" for uid in sorted(only)] or [path]
        ends_s = time.monotonic() + self._caller.limits.retrieve_s
        for one in paths:
            try:
                self._retrieve(one, gathering, ends_s)
            except _NotThere:
                gathering.failed(1)
            except ArchiveError as failure:
                gathering.ended(str(failure))
                break
        return gathering.retrieved()

    def _retrieve(self, path: str, gathering: Gathering, ends_s: float) -> None:
        with self._get(path, INSTANCES) as answer:
            told = content_type(answer.headers.get("content-type", ""))
            if told.media_type == "application/dicom":  # of one instance, some servers answer so
                parts = _alone(_pieces(answer, ends_s), self._caller.limits.object_bytes)
            elif told.media_type == "multipart/related":
                parts = self._parts(told.boundary, _pieces(answer, ends_s))
            else:
                raise ArchiveError("the archive answers in another media type than asked for")
            for part in parts:
                gathering.take(lambda part=part: self._received(part))  # type: ignore[misc]  # bound at once

    def _parts(self, boundary: str, pieces: Iterator[bytes]) -> Iterator[Part]:
        try:
            multipart = Multipart(boundary, self._caller.limits.object_bytes)
            for piece in pieces:
                yield from multipart.feed(piece)
        except MultipartError as error:
            raise ArchiveError(str(error)) from None
        if not multipart.ended:
            raise ArchiveError("the archive's answer breaks off")

    def _received(self, part: Part) -> Received:
        if part.encoded is None:
            raise RefusedInstance(CANNOT_UNDERSTAND, "an instance is longer than what is taken")
        try:
            names = names_of(part.encoded)
        except ValueError as error:
            raise RefusedInstance(CANNOT_UNDERSTAND, "a part is no DICOM file") from error
        return Received(
            source=self._source,
            sop_class_uid=names.sop_class_uid,
            sop_instance_uid=names.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax(part.encoded),
            encoded=part.encoded,
        )

    def _ask(self, level: Level, keys: Row) -> Sequence[Row]:
        """Page after page, until one brings nothing new."""
        found: dict[tuple[tuple[str, str], ...], Row] = {}
        offset = 0
        while True:
            page = self._page(_question(level, keys, offset), level)
            offset, before = offset + len(page), len(found)
            found.update((tuple(sorted(one.items())), one) for one in page)
            if len(found) == before:
                return list(found.values())
            if len(found) > self._caller.limits.answers:
                raise ArchiveError("the archive gives more answers than are taken")

    def _page(self, address: str, level: Level) -> Sequence[Row]:
        try:
            return self._rows(address, level)
        except _NotThere:
            return []

    def _rows(self, address: str, level: Level) -> Sequence[Row]:
        ends_s = time.monotonic() + self._caller.limits.answer_s
        try:
            with self._get(address, dicomjson.MEDIA_TYPE) as answer:
                body = bytearray()
                for piece in _pieces(answer, ends_s):
                    body += piece
                    if len(body) > LONGEST_JSON_BYTES:
                        raise ArchiveError("the archive's answer is too long")
            return dicomjson.rows(bytes(body), level.value)
        except ValueError as error:
            raise ArchiveError(str(error)) from None

    @contextmanager
    def _get(self, path: str, accept: str) -> Iterator[HTTPResponse]:
        with connection(self._caller) as (opened, headers):
            try:
                opened.request("GET", self._caller.path + path, headers={**headers, "Accept": accept})
                answer = opened.getresponse()
                if answer.status in {404, 410}:
                    raise _NotThere("the archive does not have it")
                if answer.status not in {200, 204, 206}:
                    raise ArchiveError(f"the archive answered {answer.status}")
                yield answer
            except (OSError, HTTPException) as error:
                raise ArchiveError(f"the archive cannot be read: {type(error).__name__}") from None


class _NotThere(ArchiveError):  # noqa: N818 - no fault: an answer
    """The archive has no such thing."""


def _question(level: Level, keys: Row, offset: int = 0) -> str:
    """The address of one page of the answers."""
    path, rest = _address(level, keys)
    wanted = [("includefield", keyword) for keyword in level.value]
    query = urlencode([*rest.items(), *wanted, ("limit", ROWS), ("offset", offset)], quote_via=quote)
    return f"{path}?{query}"


def _address(level: Level, keys: Row) -> tuple[str, dict[str, str]]:
    """The path of a question, and the keys that are left for its query."""
    rest, path = dict(keys), ""
    places = (("StudyInstanceUID", "/studies/"), ("SeriesInstanceUID", "/series/"))
    for keyword, place in places[: _KEYS_IN_PATH[level]]:
        if keyword not in rest:
            break
        path += place + rest.pop(keyword)
    return path + {"STUDY": "/studies", "SERIES": "/series", "IMAGE": "/instances"}[level.name], rest


def _pieces(answer: HTTPResponse, ends_s: float) -> Iterator[bytes]:
    while piece := answer.read1(PIECE_BYTES):
        if time.monotonic() > ends_s:
            raise ArchiveError("the archive takes too long")
        yield piece
    if answer.length:
        raise ArchiveError("the archive's answer breaks off")


def _alone(pieces: Iterator[bytes], most_bytes: int) -> Iterator[Part]:
    body, size_bytes = bytearray(), 0
    for piece in pieces:
        size_bytes += len(piece)
        if size_bytes <= most_bytes:
            body += piece
    yield Part("application/dicom", bytes(body) if size_bytes <= most_bytes else None, size_bytes)
