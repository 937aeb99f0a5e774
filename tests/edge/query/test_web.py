from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from archives import NAME, file_of, uid
from instances import ct_dataset

from millet.edge.query import Limits, WebArchive, WebCaller
from millet.errors import ArchiveError
from millet.ports import SeriesQuery, Site

LIMITS = Limits(answer_s=2.0, retrieve_s=10.0)
SERIES_PATH = "/root/studies/{}/series/{}".format(*NAME)


class Server:
    """A DICOMweb server over a list of slices; tests change what it says."""

    def __init__(self) -> None:
        self.reset()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/root/"

    def reset(self) -> None:
        """Three slices, and honest."""
        self.asked = []
        self.datasets = [ct_dataset(n) for n in (1, 2, 3)]
        self.most_rows = 1000
        self.pages = True
        self.body: tuple[str, bytes] | None = None
        self.status = 200
        self.cut = 0

    def answer(self, handler) -> None:
        """To one GET."""
        media_type, body = self.body or self._honest(handler.path)
        handler.send_response(self.status)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Content-Length", str(len(body)))
        if self.status == 302:
            handler.send_header("Location", "http://127.0.0.1:1/")
        handler.end_headers()
        handler.wfile.write(body[: len(body) - self.cut])

    def _honest(self, address: str) -> tuple[str, bytes]:
        path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
        if "Accept" in self.asked[-1][1] and "multipart" in self.asked[-1][1]["Accept"]:
            wanted = [
                d for d in self.datasets if "/instances/" not in path or path.endswith(d.SOPInstanceUID)
            ]
            return 'multipart/related; boundary=x; type="application/dicom"', multipart(map(file_of, wanted))
        named = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID"}
        parts = path.removeprefix("/root/").split("/")
        keys = {named[k]: v for k, v in zip(parts[::2], parts[1::2], strict=False)}
        keys |= {k: v[0] for k, v in query.items() if k[0].isupper()}
        rows, seen = [], set()
        for dataset in self.datasets:
            if any(dataset.get(k) != v for k, v in keys.items()):
                continue
            copy = ct_dataset(1)
            copy.clear()
            for keyword in query["includefield"]:
                if keyword in dataset:
                    setattr(copy, keyword, dataset[keyword].value)
            row = copy.to_json_dict()
            if "series" in parts[-1]:
                row["00201209"] = {"vr": "IS", "Value": [len(self.datasets)]}
            if (text := json.dumps(row)) not in seen:
                seen.add(text)
                rows.append(row)
        offset = int(query["offset"][0]) if self.pages else 0
        page = rows[offset : offset + min(self.most_rows, int(query["limit"][0]))]
        return "application/dicom+json", json.dumps(page).encode()


def multipart(files) -> bytes:
    """A body with boundary x."""
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files]
    return b"".join(parts) + b"--x--"


@pytest.fixture(scope="module")
def server():
    """A real server."""
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def web(server):
    """As it was at first."""
    server.reset()
    return server


def over(web, **more):
    """Our side."""
    return WebArchive(
        WebCaller(url=web.url, limits=more.pop("limits", LIMITS), **more), Site("here", "web", "M")
    )


def test_series_and_instances_are_found(web):
    """Series of a study and of a patient, instances of a series, and their count."""
    archive = over(web)
    (found,) = archive.find_series(SeriesQuery(study_uid=NAME.study_uid))
    assert (found.name, found.modality, found.instances) == (NAME, "CT", 3)
    assert [one.name for one in archive.find_series(SeriesQuery(patient_id="P1"))] == [NAME]
    assert [one.name for one in archive.find_series(SeriesQuery(series_uid=NAME.series_uid))] == [NAME]
    assert archive.find_series(SeriesQuery(patient_id="P2")) == []
    assert archive.instances(NAME) == {uid(n) for n in (1, 2, 3)}
    assert archive.count(NAME) == 3


def test_whoever_asks_whether_it_answers_hears_it(web):
    """It is asked for a study that nobody has."""
    assert over(web).answers() == "answers QIDO-RS"
    assert [path for path, _ in web.asked] == [web.asked[0][0]]
    assert web.asked[0][0].startswith("/root/studies?StudyInstanceUID=2.25.0&")


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"", "404: there are no studies at its address"),
        (401, b"", "answered 401"),
        (302, b"", "answered 302"),
        (200, b"<html>Sign in</html>", "no DICOM JSON"),
    ],
)
def test_another_server_in_its_place_is_no_archive(web, status, body, why):
    """A wrong path, a wrong token, a page to sign in at: each is told."""
    web.status, web.body = status, ("text/html", body)
    with pytest.raises(ArchiveError, match=why):
        over(web).answers()


def test_an_archive_without_a_match_answers(web):
    """204 and nothing, as the Standard has it."""
    web.status, web.body = 204, ("application/dicom+json", b"")
    assert over(web).answers() == "answers QIDO-RS"


@pytest.mark.parametrize("pages", [True, False], ids=["a server that pages", "one that ignores it"])
def test_no_list_is_cut(web, pages):
    """A server may give fewer than were asked for, or all of them every time: all are read."""
    web.datasets = [ct_dataset(n) for n in range(1, 26)]
    web.pages, web.most_rows = pages, 10 if pages else 1000
    assert over(web).instances(NAME) == {uid(n) for n in range(1, 26)}


def test_a_series_comes_whole_or_by_instance(web):
    """Byte for byte, in whatever transfer syntax it lies there."""
    took = []
    told = over(web).retrieve(NAME, (), took.append)
    assert told == ({uid(n) for n in (1, 2, 3)}, 0, 0, "")
    assert [one.encoded for one in took] == [file_of(dataset) for dataset in web.datasets]
    assert {one.source for one in took} == {("here", "web", "M")}
    assert web.asked[0][0] == SERIES_PATH
    assert "transfer-syntax=*" in web.asked[0][1]["Accept"]
    assert over(web).retrieve(NAME, {uid(2)}, took.append).came == {uid(2)}
    assert web.asked[-1][0] == f"{SERIES_PATH}/instances/{uid(2)}"


def test_one_instance_may_come_without_a_multipart(web):
    """As some servers answer to a request for one."""
    web.body = ("application/dicom", file_of(ct_dataset(2)))
    assert over(web).retrieve(NAME, {uid(2)}, lambda _: None).came == {uid(2)}


@pytest.mark.parametrize(
    ("body", "came", "refused"),
    [
        (multipart([file_of(ct_dataset(1)), b"x" * 5000, file_of(ct_dataset(2))]), {uid(1), uid(2)}, 1),
        (multipart([file_of(ct_dataset(1)), bytes(3_000_000), file_of(ct_dataset(2))]), {uid(1), uid(2)}, 1),
        (multipart([]), set(), 0),
    ],
    ids=["noise", "too long", "nothing"],
)
def test_a_bad_part_is_refused_alone(web, body, came, refused):
    """Its neighbours come."""
    web.body = ("multipart/related; boundary=x", body)

    def take(one):
        assert one.sop_instance_uid

    archive = over(web, limits=Limits(answer_s=2.0, object_bytes=1_000_000))
    told = archive.retrieve(NAME, (), take)
    assert (told.came, told.refused, told.why) == (came, refused, "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cut": 400}, "breaks off"),
        (
            {"body": ("multipart/related; boundary=x", b"--x\r\n" + b"y" * 40_000)},
            "headers of a part are too long",
        ),
        ({"body": ("multipart/related", b"")}, "a boundary is"),
        ({"body": ("text/html", b"<html>")}, "another media type"),
        ({"status": 503}, "answered 503"),
        ({"status": 302}, "answered 302"),
    ],
    ids=["cut", "endless headers", "no boundary", "a page", "503", "redirect"],
)
def test_a_retrieval_that_fails_says_why(web, change, why):
    """What came until then counts."""
    for name, value in change.items():
        setattr(web, name, value)
    told = over(web).retrieve(NAME, (), lambda _: None)
    assert why in told.why
    assert told.came == ({uid(1), uid(2)} if "cut" in change else set())


def test_an_instance_that_has_gone_fails_alone(web):
    """404 for one of several."""
    web.status = 404
    told = over(web).retrieve(NAME, {uid(1), uid(2)}, lambda _: None)
    assert (told.came, told.failed, told.why) == (frozenset(), 2, "")
    assert over(web).instances(NAME) == frozenset()


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'[{"0020000D": ', b"[" * 100_000], ids=["page", "object", "half", "deep"]
)
def test_an_answer_that_is_no_list_is_no_empty_list(web, body):
    """Nonsense must not look like an archive without the series."""
    web.body = ("application/dicom+json", body)
    with pytest.raises(ArchiveError, match="the answer is no"):
        over(web).instances(NAME)


def test_answers_are_bounded(web):
    """In rows."""
    with pytest.raises(ArchiveError, match="more answers"):
        over(web, limits=Limits(answers=2)).instances(NAME)


def test_a_token_is_read_for_each_request(web, tmp_path):
    """So that a renewed one is used; one that is not there calls nobody."""
    token = tmp_path / "token"
    token.write_text("abc\n")
    archive = over(web, token_file=token)
    archive.instances(NAME)
    assert web.asked[-1][1]["Authorization"] == "Bearer abc"
    token.unlink()
    with pytest.raises(ArchiveError, match="cannot be called"):
        archive.instances(NAME)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://u:p@x", "http://x/?y=1", "x"])
def test_an_address_is_checked(url):
    """Before anything is sent to it."""
    with pytest.raises(ValueError, match="DICOMweb service is"):
        WebCaller(url=url)


def test_a_server_that_is_silent_or_gone_is_told(web):
    """Within our own time."""
    silent = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    caller = WebCaller(url=f"http://127.0.0.1:{silent.server_address[1]}", limits=Limits(answer_s=0.3))
    with pytest.raises(ArchiveError, match="cannot be read"):
        WebArchive(caller, Site("", "", "")).instances(NAME)
    silent.server_close()
    with pytest.raises(ArchiveError, match="cannot be read"):
        WebArchive(caller, Site("", "", "")).instances(NAME)
