"""Instances that a client submits, and series that it has pulled, over a server that fails in many ways."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest
from archives import NAME
from grpc_served import Service
from grpc_submits import HandDesk, HandPull, Receiver
from instances import SERIES, ct_dataset, ct_file, file_of, header

import millet_client
from millet.codec.ct import read_header
from millet.edge.grpc_api import Inward
from millet.ports import Asked, PulledSeries, PullEnd, PullState
from millet_client import Expected, PullSeriesRequest
from millet_client.submitting import PIECE_BYTES

WAIT_S = 30.0
HASTY_S = 0.5
"""Of a client that is to give up."""


@pytest.fixture
def receiver():
    """An empty one."""
    return Receiver(most_bytes=4 * PIECE_BYTES)


@pytest.fixture
def serve():
    """A way to start a server with what lets series in."""
    started = []

    def start(**inward: object) -> Service:
        started.append(Service(inward=Inward(site="here", **inward)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def kept(receiver) -> set[str]:
    """SOP Instance UIDs of all that is durable."""
    return {read_header(one).sop_instance_uid for one in receiver.kept()}


def uids(*numbers: int) -> set[str]:
    """Of slices."""
    return {header(number).sop_instance_uid for number in numbers}


def large_file(number: int) -> bytes:
    """A slice that fits into no single message."""
    made = ct_dataset(number)
    made.Rows = made.Columns = 2048
    made.PixelData = np.random.default_rng(number).bytes(2 * 2048 * 2048)
    return file_of(made)


def test_files_and_bytes_are_submitted_and_answered_by_number(serve, receiver, tmp_path):
    """However large; an answer names the series as the other calls want it."""
    (tmp_path / "2.dcm").write_bytes(large_file(2))
    with serve(submissions=receiver.submissions()).client() as millet:
        answers = list(millet.submit([ct_file(1), tmp_path / "2.dcm", ct_file(3)]))
    assert sorted(one.number for one in answers) == [1, 2, 3]
    assert {(one.accepted, one.site, one.series_uid) for one in answers} == {(True, "here", SERIES)}
    assert kept(receiver) == uids(1, 2, 3)
    assert max(receiver.kept(), key=len).endswith(large_file(2)[-2 * PIECE_BYTES :])
    assert receiver.ended == [-1]


def test_what_is_refused_is_told_once_and_costs_the_others_nothing(serve, receiver):
    """No DICOM, nothing at all, and another patient's than all are taken for."""
    other = ct_dataset(2)
    other.PatientID = "P2"
    with serve(submissions=receiver.submissions()).client() as millet:
        files = [b"noise", ct_file(1), b"", file_of(other)]
        answers = {one.number: one for one in millet.submit(files, expected=Expected(patient_id="P1"))}
    assert [answers[number].reason for number in (1, 2, 3, 4)] == [
        "NOT_DICOM",
        "",
        "NOT_DICOM",
        "NOT_AS_EXPECTED",
    ]
    assert answers[4].differing == ["patient_id"]
    assert kept(receiver) == uids(1)


def test_a_series_goes_on_over_lost_connections(serve, receiver):
    """Instances that come as they are made are answered once each, the one in hand when it broke off, too."""
    service = serve(submissions=receiver.submissions())

    def scanner():
        for number in range(1, 13):
            if number % 4 == 0:
                service.close()
                service.open()
            yield ct_file(number)

    with service.client() as millet:
        numbers = [one.number for one in millet.submit(scanner()) if one.accepted]
    assert sorted(numbers) == list(range(1, 13))
    assert kept(receiver) == uids(*range(1, 13))


def test_what_was_not_answered_is_sent_again(serve, receiver):
    """It was kept, the service failed before it said so, and then it is said once."""
    service = serve(submissions=receiver.submissions())
    receiver.lost = True

    def files():
        yield ct_file(1)
        assert receiver.over.acquire(timeout=WAIT_S)
        receiver.lost = False
        yield ct_file(2)

    with service.client() as millet:
        assert sorted(one.number for one in millet.submit(files())) == [1, 2]
    assert kept(receiver) == uids(1, 2)


def test_what_is_refused_for_now_is_sent_again(serve, receiver):
    """The disk has room again before the client gives up."""
    receiver.spool.full = True
    receiver.over = Freeing(receiver.spool)
    with serve(submissions=receiver.submissions()).client() as millet:
        answers = list(millet.submit([ct_file(1), b"noise", ct_file(2)]))
    assert {one.number: one.accepted for one in answers} == {1: True, 2: False, 3: True}
    assert len(answers) == 3
    assert kept(receiver) == uids(1, 2)


class Freeing(threading.Semaphore):
    """Makes room on a disk when a call is over."""

    def __init__(self, spool) -> None:
        self.spool = spool
        super().__init__(0)

    def release(self, n=1) -> None:
        """See `Receiver`."""
        self.spool.full = False
        super().release(n)


def test_what_stays_refused_is_told_with_its_reason(serve, receiver):
    """Once the client gives up; that it may come again is told with it."""
    receiver.spool.full = True
    with serve(submissions=receiver.submissions()).client(timeout_s=HASTY_S) as millet:
        answers = list(millet.submit([ct_file(1), ct_file(2)]))
    assert [(one.number, one.reason, one.retryable) for one in answers] == [
        (1, "NO_ROOM", True),
        (2, "NO_ROOM", True),
    ]


def test_a_pause_between_instances_is_no_failure(serve, receiver):
    """The service ends a call in which nothing goes on; the next instance begins another."""

    def scanner():
        yield ct_file(1)
        assert receiver.over.acquire(timeout=WAIT_S)
        yield ct_file(2)

    service = serve(submissions=receiver.submissions(silence_s=0.2))
    with service.client() as millet:
        assert [one.accepted for one in millet.submit(scanner())] == [True, True]
    assert len(receiver.ended) >= 2


@pytest.mark.parametrize("kind", ["iterator", "file"])
def test_an_error_of_the_callers_own_comes_to_the_caller(serve, receiver, tmp_path, kind):
    """After the answers to what was sent before."""

    def files():
        yield ct_file(1)
        if kind == "iterator":
            raise FileNotFoundError
        yield tmp_path / "gone.dcm"

    with serve(submissions=receiver.submissions()).client() as millet:
        answers = millet.submit(files())
        assert next(answers).accepted
        with pytest.raises(FileNotFoundError):
            next(answers)


def test_who_asks_for_no_more_answers_sends_no_more(serve, receiver):
    """The call is over, and its place is another's."""
    left, more = threading.Event(), []

    def files():
        yield ct_file(1)
        assert left.wait(WAIT_S)
        yield ct_file(2)
        more.append("was asked for")

    with serve(submissions=receiver.submissions(most=1)).client() as millet:
        answers = millet.submit(files())
        assert next(answers).accepted
        answers.close()
        left.set()
        assert [one.accepted for one in millet.submit([ct_file(3)])] == [True]
    assert kept(receiver) == uids(1, 3)
    assert more == []


def test_a_client_that_is_closed_says_that_not_all_was_submitted(serve, receiver):
    """From another thread, while instances are sent."""
    millet = serve(submissions=receiver.submissions()).client()

    def files():
        yield ct_file(1)
        millet.close()
        yield ct_file(2)

    with pytest.raises(millet_client.MilletError):
        list(millet.submit(files()))
    with pytest.raises(millet_client.Unavailable, match="closed"):
        list(millet.submit([ct_file(3)]))


def test_a_place_is_waited_for(serve, receiver):
    """So many callers at once and no more: the next is told so when it gives up, or comes in after one."""
    service = serve(submissions=receiver.submissions(most=1))
    ending = threading.Event()

    def first():
        yield ct_file(1)
        assert ending.wait(WAIT_S)

    with service.client() as one, service.client(timeout_s=HASTY_S) as hasty, service.client() as patient:
        holding = one.submit(first())
        assert next(holding).accepted
        with pytest.raises(millet_client.TooMuch) as caught:
            list(hasty.submit([ct_file(2)]))
        assert caught.value.reason == "TOO_MANY_CALLS"
        ending.set()
        assert list(holding) == []
        assert [answer.accepted for answer in patient.submit([ct_file(2)])] == [True]


def test_nothing_to_submit_asks_nobody(serve):
    """Also of a process that does not receive, which else says so."""
    with serve().client() as millet:
        assert list(millet.submit([])) == []
        with pytest.raises(millet_client.NotOffered) as caught:
            list(millet.submit([ct_file(1)]))
        assert caught.value.reason == "NOT_OFFERED"
        with pytest.raises(millet_client.NotOffered):
            list(millet.pull(PullSeriesRequest(series_uid=SERIES)))


def test_a_service_that_stays_away_is_given_up(serve, receiver):
    """With what it was last told."""
    service = serve(submissions=receiver.submissions())
    service.close()
    with service.client(timeout_s=HASTY_S) as millet, pytest.raises(millet_client.Unavailable):
        list(millet.submit([ct_file(1)]))
    service.open()


class ScriptedDesk(HandDesk):
    """Each asking begins the next of the pulls that a test wrote down, and the last for ever."""

    def __init__(self, *states: PullState) -> None:
        super().__init__("pacs")
        self.states = states
        self.asked: list[tuple[str, HandPull]] = []

    def ask(self, key, order):
        """See the port."""
        state = self.states[min(len(self.asked), len(self.states) - 1)]
        self.asked.append((key, HandPull(order, state)))
        return Asked.NEW, self.asked[-1][1]


def stands(here: int, end: PullEnd | None, wanted: int = 3) -> PullState:
    """A pull of the series."""
    return PullState((PulledSeries(NAME, wanted, here),), end, "as the test says")


def test_a_pull_is_asked_for_again_until_all_is_here(serve):
    """Under one key; nothing is told twice."""
    desk = ScriptedDesk(
        stands(1, PullEnd.INCOMPLETE), stands(2, PullEnd.INCOMPLETE), stands(3, PullEnd.COMPLETE)
    )
    wanted = PullSeriesRequest(archive="pacs", series_uid=SERIES)
    with serve(pulls=desk).client() as millet:
        told = list(millet.pull(wanted, expected=Expected(patient_id="P1")))
    assert [(one.site, one.here, one.wanted, one.complete) for one in told] == [
        ("here", 1, 3, False),
        ("here", 2, 3, False),
        ("here", 3, 3, True),
    ]
    assert len({key for key, _ in desk.asked}) == 1
    assert {pull.order.expected.patient_id for _, pull in desk.asked} == {"P1"}
    assert wanted.idempotency_key == ""


def test_a_pull_that_does_not_get_on_is_given_up(serve):
    """With the reason of its last try, though each try begins with what was told before."""
    desk = ScriptedDesk(stands(1, PullEnd.INCOMPLETE))
    with serve(pulls=desk).client(timeout_s=HASTY_S) as millet:
        told = millet.pull(PullSeriesRequest(series_uid=SERIES, idempotency_key="mine"))
        assert next(told).here == 1
        with pytest.raises(millet_client.Unavailable) as caught:
            next(told)
    assert caught.value.reason == "PULL_INCOMPLETE"
    assert {key for key, _ in desk.asked} == {"mine"}


def test_a_pull_of_another_patients_series_is_refused_at_once(serve):
    """With the fields that differ."""
    desk = ScriptedDesk(PullState((), PullEnd.NOT_EXPECTED, "another patient's", ("patient_id",)))
    with serve(pulls=desk).client() as millet, pytest.raises(millet_client.Unmet) as caught:
        list(millet.pull(PullSeriesRequest(series_uid=SERIES)))
    assert (caught.value.reason, caught.value.fields) == ("NOT_AS_EXPECTED", ("patient_id",))
    assert len(desk.asked) == 1


def test_a_pull_is_told_while_it_goes_on(serve):
    """Each step as it is made, also over a connection that was lost."""
    desk = HandDesk("pacs")
    service = serve(pulls=desk)
    with service.client() as millet:
        told = millet.pull(PullSeriesRequest(series_uid=SERIES, idempotency_key="one"))
        desk.state = stands(0, None, wanted=0)
        assert next(told).wanted == 0
        desk.pulls["one"].stands(PulledSeries(NAME, 3, 1))
        assert next(told).here == 1
        service.close()
        service.open()
        desk.pulls["one"].stands(PulledSeries(NAME, 3, 3), end=PullEnd.COMPLETE)
        assert [one.complete for one in told] == [True]


def test_answers_name_their_series(serve, receiver):
    """As a line of the worklist does."""
    service = serve(submissions=receiver.submissions())
    with service.client() as millet:
        (answer,) = islice(millet.submit([ct_file(1)]), 1)
        with pytest.raises(millet_client.NotFound):
            millet.analysis(answer)
