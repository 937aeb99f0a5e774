"""STOW-RS, as a sender asks: over HTTP from the running server."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from itertools import count

import pytest
import uvicorn
from instances import ct_file, header
from pydicom.dataset import Dataset
from starlette.applications import Starlette

from millet.edge.web import stow
from millet.errors import RefusedInstance, StoreError
from millet.ports import Site

STUDY = header(1).study_uid
DICOM = 'multipart/related; type="application/dicom"; boundary=xx'
PIECE = 65_536


def body(*files: bytes, end: bytes = b"--xx--\r\n") -> bytes:
    """A body with the boundary xx."""
    head = b"--xx\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + file + b"\r\n" for file in files) + end


class Intake:
    """What is behind the door."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Empty, and taking everything."""
        self.taken, self.ended, self.error = [], [], {}
        self.hold: threading.Event | None = None
        self.entered = threading.Semaphore(0)
        self.over = threading.Event()

    def admit(self, received, number):
        """As the receiver's."""
        self.entered.release()
        if self.hold:
            self.hold.wait(20)
        if error := self.error.get(received.sop_instance_uid) or self.error.get("all"):
            raise error
        self.taken.append((received, number))

    def end(self, number):
        """As the receiver's."""
        self.ended.append(number)
        self.over.set()


class Server:
    """A running server."""

    def __init__(self, silence_s=30.0) -> None:
        self.intake = Intake()
        numbers = count(-1, -1)
        door = stow.Stow(
            source=lambda _request: Site("here", "STOW", "MILLET"),
            admit=self.intake.admit,
            ended=self.intake.end,
            number=lambda: next(numbers),
            body_bytes=4_000_000,
            object_bytes=1_000_000,
            requests=2,
            silence_s=silence_s,
        )
        config = uvicorn.Config(
            Starlette(routes=stow.routes(door)),
            port=0,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()))
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.02)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def post(self, sent, path="/studies", **headers):
        """Ask; the status and the answer's data set or text."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        line.request("POST", path, sent, {"Content-Type": DICOM, **headers})
        answer = line.getresponse()
        told = answer.read()
        line.close()
        if answer.headers["content-type"] == "application/dicom+json":
            return answer.status, Dataset.from_json(told.decode())
        return answer.status, json.loads(told)

    def stop(self):
        """End it."""
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture(scope="module")
def server():
    """A real one."""
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def site(server):
    """Empty."""
    server.intake.reset()
    return server


def failures(told):
    """Reason by instance, and of what could not be named."""
    named = {one.ReferencedSOPInstanceUID: one.FailureReason for one in told.get("FailedSOPSequence", [])}
    return named, [one.FailureReason for one in told.get("OtherFailuresSequence", [])]


@pytest.mark.parametrize("path", ["/studies", f"/studies/{STUDY}"])
def test_instances_are_handed_on_byte_for_byte(site, path):
    """200 once every one is durable, with its references; one request is one source, which ends."""
    status, told = site.post(body(ct_file(1), ct_file(2)), path)
    assert status == 200
    uids = [header(n).sop_instance_uid for n in (1, 2)]
    assert [one.ReferencedSOPInstanceUID for one in told.ReferencedSOPSequence] == uids
    assert [one.encoded for one, _ in site.intake.taken] == [ct_file(1), ct_file(2)]
    assert {one.source for one, _ in site.intake.taken} == {("here", "STOW", "MILLET")}
    assert site.intake.over.wait(10)
    assert site.intake.ended == [site.intake.taken[0][1]]
    assert site.intake.ended[0] < 0


def test_each_failure_has_its_reason(site):
    """202 where some are stored: the statuses that C-STORE would have given."""
    uids = [header(n).sop_instance_uid for n in range(5)]
    site.intake.error = {
        uids[2]: RefusedInstance(0x0122, "no"),
        uids[3]: StoreError("down"),
        uids[4]: ValueError("a bug"),
    }
    status, told = site.post(body(ct_file(1), ct_file(2), ct_file(3), ct_file(4), b"noise", bytes(200)))
    assert status == 202
    assert failures(told) == ({uids[2]: 0x0122, uids[3]: 0xA700, uids[4]: 0x0110}, [0xC000, 0xC000])
    assert [one.ReferencedSOPInstanceUID for one in told.ReferencedSOPSequence] == [uids[1]]


def test_nothing_stored_is_a_conflict_or_no_room(site):
    """409 for what the request cannot change here, 507 where it may come again when there is room."""
    uid = header(1).sop_instance_uid
    site.intake.error = {uid: RefusedInstance(0x0122, "no")}
    status, told = site.post(body(ct_file(1)))
    assert (status, failures(told)[0]) == (409, {uid: 0x0122})
    site.intake.error = {"all": RefusedInstance(0xA700, "full")}
    status, told = site.post(body(ct_file(1), ct_file(2)))
    assert (status, set(failures(told)[0].values())) == (507, {0xA700})


def test_an_instance_of_another_study_is_not_stored(site):
    """Where the address names one."""
    status, told = site.post(body(ct_file(1)), "/studies/1.2.3")
    assert (status, failures(told)[0]) == (409, {header(1).sop_instance_uid: 0xA900})
    assert site.intake.taken == []


def test_too_long_an_instance_fails_alone(site):
    """Its neighbours are stored."""
    status, told = site.post(body(ct_file(1), ct_file(2) + bytes(1_000_000), ct_file(3)))
    assert (status, failures(told)) == (202, ({}, [0xA700]))
    assert len(site.intake.taken) == 2


def test_too_long_a_body_is_refused(site):
    """At once where it says so, else when it is: what came whole until then is told, and stays."""
    long = body(ct_file(1), *[bytes(900_000)] * 5)
    assert site.post(long) == (413, {"error": "the body is longer than what is taken"})
    pieces = (long[at : at + PIECE] for at in range(0, len(long), PIECE))
    try:
        status, told = site.post(pieces)
    except (BrokenPipeError, ConnectionResetError):  # answered while we still send
        pass
    else:
        assert status == 413
        assert len(told.ReferencedSOPSequence) == 1
    assert site.intake.over.wait(10)
    assert [one.encoded for one, _ in site.intake.taken] == [ct_file(1)]


@pytest.mark.parametrize(
    ("sent", "headers", "path", "status"),
    [
        (body(ct_file(1)), {"Content-Type": "application/dicom"}, "/studies", 415),
        (body(ct_file(1)), {"Content-Type": DICOM.replace("dicom", "dicom+json")}, "/studies", 415),
        (body(ct_file(1)), {"Content-Type": "multipart/related"}, "/studies", 400),
        (body(ct_file(1)), {"Accept": "application/dicom+xml"}, "/studies", 406),
        (body(ct_file(1)), {}, "/studies/x", 400),
        (b"no parts", {}, "/studies", 400),
        (b"", {}, "/studies", 400),
        (b"--xx\r\n" + b"x" * 20_000, {}, "/studies", 400),
        (body(), {}, "/studies", 400),
    ],
    ids=[
        "no multipart",
        "metadata",
        "no boundary",
        "xml",
        "no study",
        "no parts",
        "empty",
        "headers",
        "none",
    ],
)
def test_what_is_no_store_request_is_told(site, sent, headers, path, status):
    """With the status of PS3.18, and nothing stored."""
    assert site.post(sent, path, **headers)[0] == status
    assert site.intake.taken == []


def test_a_body_that_breaks_off_stores_what_came_whole(site):
    """400: no success for a request of which the end is missing, but what it stored is said."""
    status, told = site.post(body(ct_file(1), end=b"--xx\r\n\r\n" + ct_file(2)[:100]))
    assert status == 400
    assert len(told.ReferencedSOPSequence) == len(site.intake.taken) == 1


def test_a_silent_sender_is_let_go():
    """Its place is free again after the time between two pieces."""
    site = Server(silence_s=1.0)
    line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    line.putrequest("POST", "/studies")
    line.putheader("Content-Type", DICOM)
    line.putheader("Content-Length", "1000000")
    line.endheaders()
    line.send(body(ct_file(1), end=b""))
    assert line.getresponse().status == 408
    line.close()
    assert site.intake.over.wait(30)
    site.stop()


def test_a_sender_that_vanishes_ends_its_request(site):
    """What it sent whole is durable; its source ends."""
    line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    line.putrequest("POST", "/studies")
    line.putheader("Content-Type", DICOM)
    line.putheader("Content-Length", "1000000")
    line.endheaders()
    line.send(body(ct_file(1), ct_file(2), end=b""))
    assert site.intake.entered.acquire(timeout=10)
    line.close()
    assert site.intake.over.wait(10)
    assert len(site.intake.ended) == 1


def test_so_many_requests_at_once_and_no_more(site):
    """The next one is told to come again, and may."""
    site.intake.hold = threading.Event()
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(site.post(body(ct_file(n)))[0])) for n in (1, 2)
    ]
    for thread in threads:
        thread.start()
    assert all(site.intake.entered.acquire(timeout=10) for _ in threads)
    status, told = site.post(body(ct_file(3)))
    assert (status, told["error"]) == (503, "so many requests at once are not taken")
    site.intake.hold.set()
    for thread in threads:
        thread.join(20)
    assert answers == [200, 200]
    assert site.post(body(ct_file(3)))[0] == 200
