"""The client against a real server on loopback: over lost connections, tried again, refused, and light."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path

import grpc
import pytest
from analyses import analysis, spread
from certificates import Authority
from gates import MemoryGate
from grpc_served import Service
from worklists import status

import millet_client
from millet.core.analysis import TriageLevel
from millet.edge.tls import Files, ServerTls
from millet_client import Series, Tls, messages

ROOT = Path(__file__).parents[2]
PACKAGE = Path(millet_client.__file__).parent
NOTHING = Series("default", "9")


@pytest.fixture
def service():
    """A service with one analysed series."""
    made = Service()
    yield made
    made.stop()


def test_the_worklist_comes_whole_and_filtered(service):
    """Over as many pages as it takes."""
    for number in range(2, 1203):
        service.worklist.put(status(number, triage=TriageLevel.URGENT))
    with service.client() as millet:
        assert len(millet.worklist()) == 1202
        urgent = messages.AnalysisFilter(triage=messages.TRIAGE_LEVEL_URGENT)
        assert len(millet.worklist(urgent)) == 1201


def test_a_watch_goes_on_over_lost_connections_without_a_gap_or_a_double(service):
    """What changed while the service was away comes once, what was seen before does not come again."""
    with service.client() as millet:
        watch = millet.watch()
        seen = [next(watch).series.revision]
        for _ in range(3):
            service.close()
            service.worklist.change(next(iter(service.worklist.statuses.values())), sender="away")
            service.open()
            seen.append(next(watch).series.revision)
        service.change(1, sender="back")
        seen.append(next(watch).series.revision)
    assert seen == [1, 2, 3, 4, 5]


def test_a_watch_of_one_series_goes_on_too(service):
    """And a token of before leads on after it, with another client."""
    line = service.worklist.put(
        status(2, state="receiving", outcome=None, triage=None, analysed_generation=0)
    )
    with service.client() as millet:
        watch = millet.watch_series(Series(line.key.site, line.key.series_uid))
        first = next(watch)
        service.close()
        service.worklist.change(line, state="queued")
        service.open()
        assert (first.series.state, next(watch).series.state) == ("receiving", "queued")
    with service.client() as another:
        again = another.watch_series(Series("default", line.key.series_uid), resume_token=first.resume_token)
        assert next(again).series.state == "queued"


def test_a_watch_ends_when_its_client_is_closed(service):
    """From another thread, while it waits for a change."""
    millet = service.client()
    first, seen = threading.Event(), []

    def follow() -> None:
        for change in millet.watch():
            seen.append(change)
            first.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert first.wait(60)
    millet.close()
    thread.join(60)
    assert not thread.is_alive()
    assert len(seen) == 1


def test_a_token_from_after_a_backup_says_start_again(service):
    """It is no lost connection."""
    service.worklist.put(status(2, revision=50))
    with service.client() as millet:
        token = list(islice(millet.watch(), 2))[-1].resume_token
        service.worklist.statuses = {}
        with pytest.raises(millet_client.StartAgain) as caught:
            next(millet.watch(resume_token=token))
    assert caught.value.reason == "TOKEN_AHEAD"


def test_an_analysis_comes_whole(service):
    """20,000 nodules, in messages below gRPC's usual limit."""
    many = replace(analysis(2), nodules=tuple(spread(20_000)))
    line = service.worklist.put(status(2), many)
    with service.client() as millet:
        found = millet.analysis(Series(line.key.site, line.key.series_uid))
    assert [one.number for one in found.nodules] == [one.number for one in many.nodules]
    assert found.generation == many.generation


def test_a_call_waits_for_a_service_that_is_away(service):
    """It is tried again until its time is over."""
    with service.client() as millet:
        millet.worklist()
        service.close()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(millet.worklist()))
        asking.start()
        service.open()
        asking.join(60)
        assert len(answers[0]) == 1
    service.close()
    with service.client(timeout_s=0.5) as hasty, pytest.raises(millet_client.Unavailable):
        hasty.worklist()
    service.open()


def test_what_was_kept_and_not_answered_is_not_kept_twice(service):
    """The same key goes along when the call is tried again."""
    service.readers.silences = 2
    with service.client() as millet:
        (line,) = millet.worklist()
        answer = millet.acknowledge(line, person="Dr Weiss")
        assert answer.repeated_request
        assert len(service.readers.said) == 1
        withdrawing = service.worklist.change(
            next(iter(service.worklist.statuses.values())), acknowledgement=service.readers.said[0][1]
        )
        assert withdrawing.acknowledgement
        (line,) = millet.worklist()
        assert not millet.withdraw(line, person="Dr Weiss").repeated_request


def test_a_nodule_is_accepted_rejected_and_missed(service):
    """And what was said is listed."""
    with service.client() as millet:
        found = millet.analysis(Series("default", "1.2.826.0.1.1"))
        millet.accept(found, found.nodules[0], person="Dr Weiss")
        millet.reject(found, found.nodules[1], person="Dr Weiss", comment="a vessel")
        missed = {"person": "Dr Weiss", "key": "mine"}
        place = messages.PointMm(x=1, y=2, z=3)
        assert not millet.missed(found, place, **missed).repeated_request
        assert millet.missed(found, place, **missed).repeated_request
        said = millet.feedback(Series("default", "1.2.826.0.1.1"))
    names = [messages.Opinion.Name(one.opinion) for one in said]
    assert names == ["OPINION_ACCEPTED", "OPINION_REJECTED", "OPINION_MISSED"]


@pytest.mark.parametrize(
    ("act", "kind", "reason", "fields"),
    [
        (lambda millet, _: millet.analysis(NOTHING), millet_client.NotFound, "NO_SUCH_SERIES", ()),
        (
            lambda millet, _: millet.analysis(Series("default", "")),
            millet_client.WrongRequest,
            "INVALID_FIELD",
            ("series_uid",),
        ),
        (
            lambda millet, line: millet.analysis(line, expected=messages.Expected(patient_id="other")),
            millet_client.Unmet,
            "NOT_AS_EXPECTED",
            ("patient_id",),
        ),
        (
            lambda millet, line: (
                setattr(line, "analysed_generation", 7),
                millet.acknowledge(line, person="Dr Weiss"),
            ),
            millet_client.Unmet,
            "CHANGED_SINCE",
            ("generation", "level"),
        ),
        (
            lambda millet, line: [millet.acknowledge(line, person=name, key="one") for name in ("A", "B")],
            millet_client.KeyTaken,
            "KEY_OF_ANOTHER_REQUEST",
            (),
        ),
    ],
)
def test_a_refusal_has_its_kind_its_reason_and_its_fields(service, act, kind, reason, fields):
    """By what the caller does next; nothing is tried again."""
    with service.client() as millet:
        (line,) = millet.worklist()
        with pytest.raises(kind) as caught:
            act(millet, line)
    assert (caught.value.reason, caught.value.fields) == (reason, fields)


def test_a_line_of_another_patient_by_now_is_refused(service):
    """The patient and study of the line go along by themselves."""
    with service.client() as millet:
        (line,) = millet.worklist()
        service.change(1, patient_id="PID-000099")
        with pytest.raises(millet_client.Unmet) as caught:
            millet.acknowledge(line, person="Dr Weiss")
    assert caught.value.fields == ("patient_id",)
    assert service.readers.said == []


def test_tls_and_a_token_that_is_renewed(tmp_path):
    """Roots of the hospital's own; the newest token is shown at each call, a wrong one is Denied."""
    authority = Authority(tmp_path)
    pair = authority.issue("millet")
    tls = ServerTls(Files(certificate=pair.certificate, key=pair.key), require=False, told=print)
    service = Service(MemoryGate(), tls)
    tokens = ["wrong", "viewer-token"]
    try:
        with service.client(tls=Tls(roots=authority.roots), token=lambda: tokens[0]) as millet:
            with pytest.raises(millet_client.Denied) as caught:
                millet.worklist()
            assert (caught.value.code, caught.value.reason) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "UNAUTHENTICATED",
            )
            tokens.pop(0)
            (line,) = millet.worklist()
            with pytest.raises(millet_client.Denied, match="role"):
                millet.acknowledge(line)
    finally:
        service.stop()


def test_it_loads_grpc_and_protobuf_and_nothing_else():
    """No array, no network, no web server of ours: a viewer may live in a small process."""
    loads = "import sys; before = set(sys.modules); import millet_client; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = [{str(PACKAGE.parent)!r}]; {loads}"],
        check=True,
        capture_output=True,
        text=True,
    )
    roots = {name.partition(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names)
    allowed = {
        "cython_runtime",
        "google",
        "millet",
        "millet_client",
        "openvino_telemetry",
        "typing_extensions",
    }
    assert {name for name in roots if not name.startswith(("grpc", "_"))} <= allowed
    parts = {name for name in done.stdout.split() if name.startswith("millet.")}
    assert {name.split(".")[1] for name in parts} == {"proto"}


@pytest.mark.parametrize("words", [["viewer.py"], ["submit.py"], ["submit.py", "127.0.0.1:1"]], ids=" ".join)
def test_an_example_without_its_arguments_says_how_it_is_called(words):
    """In one line."""
    example = ROOT / "docs" / "examples" / words[0]
    done = subprocess.run(
        [sys.executable, str(example), *words[1:]], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f": {words[0]} HOST:PORT " in line


def test_the_example_prints_the_worklist_as_it_changes(service):
    """The file that the documents show, as a process of its own; it is as short as they say."""
    example = ROOT / "docs" / "examples" / "viewer.py"
    assert example.read_text("utf-8") in (ROOT / "docs/how-to/client.md").read_text("utf-8")
    body = [one for one in example.read_text("utf-8").partition("\n\n")[2].splitlines() if one]
    assert len(body) == 10
    command = [sys.executable, str(example), f"127.0.0.1:{service.port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        told = [viewer.stdout.readline() for _ in range(4)]
        service.change(1, accession="ACC-NEW")
        told.append(viewer.stdout.readline())
        viewer.terminate()
    assert told[0] == "ACC0001 analysed TRIAGE_LEVEL_NOTABLE 2\n"
    assert all(line.endswith(" mm\n") for line in told[1:4])
    assert told[4].startswith("ACC-NEW ")
