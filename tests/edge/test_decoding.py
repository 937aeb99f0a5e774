from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ct
import imagecodecs
import numpy as np
import pytest

from millet.codec import decoders
from millet.codec.decoders import Coded
from millet.core.language import Language, phrase, said
from millet.core.reasons import Reason
from millet.edge.decoding import wire
from millet.edge.decoding.pool import COMMAND, Decoders
from millet.errors import StoreError, UnfitSeries

PLANE = (np.tile(ct.HU[3], (8, 8)) + 1024).astype(np.uint16)
ROWS, COLUMNS = PLANE.shape
JPEG_LS, J2K, LOSSLESS = (f"1.2.840.10008.1.2.4.{number}" for number in (80, 90, 70))
PATIENCE_S = 30
BROKEN = """
import os, signal, sys, time
import numpy as np
from millet.codec import decoders
from millet.edge.decoding import child, wire

honest = decoders.DECODERS["1.2.840.10008.1.2.4.80"]

def broken(code):
    if code.startswith(b"crash"):
        import ctypes
        ctypes.string_at(0)
    if code.startswith(b"stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if code.startswith(b"loop"):
        while True:
            pass
    if code.startswith(b"hoard"):
        return np.ones(1 << 34, np.uint8)
    if code.startswith(b"wait"):
        path = code[4:].decode()
        open(path + str(os.getpid()), "w").close()
        while not os.path.exists(path + "go"):
            time.sleep(0.01)
        code = open(path + "code", "rb").read()
    return honest(code)

decoders.DECODERS["1.2.840.10008.1.2.4.80"] = broken
wire.CPU_S = 0.3
child.main()
"""


def coded(code: bytes | None = None, series_uid: str = "1.2", syntax: str = JPEG_LS) -> Coded:
    """An honest slice, or one of these bytes."""
    code = bytes(imagecodecs.jpegls_encode(PLANE)) if code is None else code
    return Coded(syntax, ROWS, COLUMNS, 16, code, series_uid)


@pytest.fixture
def pools() -> Iterator[Callable[..., Decoders]]:
    """Make pools; all are stopped at the end."""
    made: list[Decoders] = []

    def make(most: int = 1, **how: object) -> Decoders:
        made.append(Decoders(most, **how))
        return made[-1]

    yield make
    for pool in made:
        pool.stop()


@pytest.fixture
def broken(tmp_path: Path, pools: Callable[..., Decoders]) -> Callable[..., Decoders]:
    """Pools whose JPEG-LS decoder does as it is told."""
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    return lambda most=1, **how: pools(most, command=(sys.executable, str(script)), **how)


def refused(pool: Decoders, one: Coded) -> str:
    """Why a slice has no values; always for the reason that its pixels cannot be read."""
    with pytest.raises(UnfitSeries) as verdict:
        pool.decode(one)
    assert verdict.value.reason is Reason.PIXELS_UNREADABLE
    return verdict.value.detail


@pytest.mark.parametrize(
    ("syntax", "code"),
    [
        (JPEG_LS, imagecodecs.jpegls_encode(PLANE)),
        (J2K, imagecodecs.jpeg2k_encode(PLANE, reversible=True, codecformat="j2k")),
        (LOSSLESS, imagecodecs.ljpeg_encode(PLANE, bitspersample=16)),
    ],
)
def test_values_are_those_of_the_same_decoder_here(pools: Callable[..., Decoders], syntax: str, code) -> None:
    """What comes back is what a thread of ours would have decoded, verdicts too."""
    pool, one = pools(), coded(bytes(code), syntax=syntax)
    assert np.array_equal(pool.decode(one), PLANE)
    assert np.array_equal(decoders.decode(one), PLANE)
    damaged = one._replace(code=one.code[:40] + b"\xff" * 60 + one.code[100:])
    for decode in (pool.decode, decoders.decode):
        try:
            values = decode(damaged)
        except UnfitSeries as verdict:
            found = str(verdict)
        else:
            found = str(values.sum())
        assert found == _of(decoders.decode, damaged)


def _of(decode, one: Coded) -> str:
    try:
        return str(decode(one).sum())
    except UnfitSeries as verdict:
        return str(verdict)


def test_a_decoder_is_light() -> None:
    """The process that may crash loads neither torch nor pydicom: it is there in a moment."""
    program = "import millet.edge.decoding.child, sys; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "imagecodecs" in seen
    assert not {"torch", "pydicom", "sqlalchemy", "millet.ports"} & set(seen.split())
    assert COMMAND[-1] == "millet.edge.decoding.child"


def test_a_segmentation_fault_costs_one_series(broken: Callable[..., Decoders]) -> None:
    """The slice is unreadable for a stated reason, its series is not tried again, others are decoded."""
    pool = broken()
    assert refused(pool, coded(b"crash", "1.1")) == "a decoder died of it (SIGSEGV)"
    assert refused(pool, coded(None, "1.1")) == "a decoder died of it (SIGSEGV)"
    assert np.array_equal(pool.decode(coded(None, "1.2")), PLANE)


def test_a_decoder_that_does_not_come_back_is_ended(broken: Callable[..., Decoders]) -> None:
    """By itself when it computes, by its owner when it does not even do that; neither is tried twice."""
    pool = broken(answer_s=5.0)
    assert refused(pool, coded(b"loop", "1.1")).startswith("a decoder computed for more than")
    assert refused(pool, coded(b"stop", "1.2")) == "a decoder did not answer within 5 s"
    assert np.array_equal(pool.decode(coded(None, "1.3")), PLANE)


def test_memory_that_is_not_there_is_a_verdict(broken: Callable[..., Decoders]) -> None:
    """A decoder that wants 16 GB gets none; it lives, and so does the machine."""
    pool = broken()
    assert "MemoryError" in refused(pool, coded(b"hoard"))
    (process,) = pool.pids
    assert np.array_equal(pool.decode(coded(None, "1.2")), PLANE)
    assert pool.pids == {process}


def test_a_decoder_that_somebody_kills_is_replaced(broken: Callable[..., Decoders], tmp_path: Path) -> None:
    """Killed from outside in the middle of a slice, and while it was idle: the next one decodes the slice."""
    pool = broken()
    (tmp_path / "code").write_bytes(coded().code)
    waits = coded(b"wait" + f"{tmp_path}/".encode())
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(pool.decode, waits)
        os.kill(_appeared(tmp_path), signal.SIGKILL)
        (tmp_path / "go").touch()
        assert np.array_equal(found.result(PATIENCE_S), PLANE)
    (idle,) = pool.pids
    os.kill(idle, signal.SIGKILL)
    assert np.array_equal(pool.decode(coded()), PLANE)
    assert pool.pids != {idle}


def _appeared(folder: Path) -> int:
    """The process that says that it is decoding."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if found := [path.name for path in folder.iterdir() if path.name.isdigit()]:
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("nobody decodes")


def test_neighbours_are_decoded_while_others_crash(broken: Callable[..., Decoders]) -> None:
    """Eight series at once on two processes, every second of which crashes: the others are whole."""
    pool = broken(2)
    slices = [coded(b"crash" if n % 2 else None, f"1.{n}") for n in range(8)]
    with ThreadPoolExecutor(4) as threads:
        begun = [threads.submit(pool.decode, one) for one in slices]
    for n, one in enumerate(begun):
        if n % 2:
            assert "SIGSEGV" in str(one.exception())
        else:
            assert np.array_equal(one.result(), PLANE)


def test_processes_end_with_their_owner(pools: Callable[..., Decoders]) -> None:
    """Stopped, none is left; what cannot be started at all is a fault of ours and no verdict."""
    pool = pools(2)
    gate = threading.Barrier(2)

    def both(one: Coded) -> None:
        gate.wait(PATIENCE_S)
        pool.decode(one)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(both, (coded(), coded())))
    begun = pool.pids
    assert begun
    pool.stop()
    assert not any(Path(f"/proc/{pid}").exists() for pid in begun)
    with pytest.raises(StoreError):
        pools(command=("/nowhere/python",)).decode(coded())


def test_why_a_slice_is_refused_can_be_said_in_any_language() -> None:
    """The verdict comes from another process; a phrase is one still, and what is none stays as it is."""
    refused = phrase("pixels.bytes", held=10, needed=20)
    for detail, german in ((refused, "10 von 20 Byte"), ("ValueError", "ValueError"), ("", "")):
        verdict = UnfitSeries(Reason.PIXELS_TRUNCATED, detail)
        told = wire.answered(wire.answer(verdict))
        assert told is not None
        assert str(told) == str(verdict)
        assert said(told.detail, Language.GERMAN) == german
