"""The parts of the test bench do what the seeds rely on."""

from __future__ import annotations

import os
import random
import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path

import ct
import pytest
from faults import cases, plan, scanner
from faults.control import ANY, POINTS, Control
from faults.disk import Disk
from faults.modality import Manner, Modality, Record
from faults.pacs import content_digest
from faults.proxy import BACK, THERE, Proxy
from pydicom import dcmread
from pynetdicom import AE, evt

from millet.edge.store.disk import sync_folder

EVERYTHING = plan.Means(disks=True, postgresql=True)


@pytest.fixture
def echo():
    """A server that sends back what it gets, and a wire to it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                while chunk := connection.recv(1 << 16):
                    connection.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    wire = Proxy(listener.getsockname()[1])
    yield wire
    wire.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def through(wire: Proxy, sent: bytes) -> bytes:
    """What comes back until the wire is cut or all is there."""
    back = b""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", wire.port), 5) as end:
        end.sendall(sent)
        while len(back) < len(sent) and (more := end.recv(1 << 16)):
            back += more
    return back


def test_a_sound_wire_changes_nothing(echo: Proxy) -> None:
    """What goes in comes out."""
    sent = random.Random(1).randbytes(200_000)
    assert through(echo, sent) == sent
    assert echo.cuts == 0


@pytest.mark.parametrize("direction", [THERE, BACK])
def test_a_wire_is_cut_after_so_many_bytes(echo: Proxy, direction: int) -> None:
    """Not a byte more gets through; the next connection is whole again."""
    echo.cut_after(direction, 12_345)
    assert len(through(echo, bytes(100_000))) <= 12_345
    assert echo.cuts == 1
    assert through(echo, b"again") == b"again"


def test_a_shut_wire_lets_nobody_through(echo: Proxy) -> None:
    """Connections end at once, until it is opened."""
    echo.shut(shut=True)
    assert through(echo, b"hello") == b""
    echo.heal()
    assert through(echo, b"hello") == b"hello"


@pytest.fixture
def taker():
    """An SCP that takes each instance at its second try, and remembers it."""
    taken: dict[str, bytes] = {}
    asked: list[str] = []

    def stored(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        asked.append(uid)
        if asked.count(uid) == 1:
            return 0xA700
        taken[uid] = event.request.DataSet.getvalue()
        return 0x0000

    entity = AE(ae_title="MILLET")
    entity.add_supported_context(scanner.CT_IMAGE, scanner.EXPLICIT)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
    yield server.server_address[1], taken
    server.shutdown()


def test_a_modality_sends_until_all_is_acknowledged(taker) -> None:
    """A refusal that another try heals is tried again; exactly what was taken counts as acknowledged."""
    port, taken = taker
    slices = cases.make("refused", "bench", random.Random(1))
    record = Record()
    modality = Modality(slices, Manner(per_association=7, aborts=0.5), [port], record, random.Random(2))
    modality.start()
    modality.join(30)
    assert modality.left == 0
    assert {one.sop_instance_uid for one in record.acked} == set(taken)
    assert {one.sop_instance_uid: one.dataset for one in slices} == taken
    assert record.statuses == {"0x0000": len(slices), "0xA700": len(slices)}


def test_a_process_dies_at_the_nth_point(tmp_path: Path, monkeypatch) -> None:
    """Points of another kind do not count; the last one kills."""
    killed: list[int] = []
    monkeypatch.setattr("faults.control.os.kill", lambda _pid, number: killed.append(number))
    test, process = Control(tmp_path / "page"), Control(tmp_path / "page")
    process.passes(0)
    test.arm(POINTS.index("rename"), 2)
    for point in (POINTS.index("sync"), POINTS.index("rename")):
        process.passes(point)
    assert killed == []
    process.passes(POINTS.index("rename"))
    assert killed == [9]
    test.arm(ANY, 1)
    process.passes(POINTS.index("commit"))
    assert killed == [9, 9]


def test_both_sides_of_a_page_have_one_clock(tmp_path: Path) -> None:
    """What the test sets, the process reads."""
    test, process = Control(tmp_path / "page"), Control(tmp_path / "page")
    test.set_clock(-300.0, 7200.0)
    assert (process.wall_s, process.passed_s) == (-300.0, 7200.0)


@pytest.fixture
def disk(tmp_path: Path):
    """A disk of its own."""
    made = Disk(tmp_path)
    yield made
    made.close()


@pytest.mark.loop_devices
def test_a_power_cut_takes_what_was_not_flushed(disk: Disk) -> None:
    """A file that was flushed, name and all, is there; bytes and names that were not are gone."""
    (disk.root / "before").write_bytes(b"flushed")
    with (disk.root / "whole").open("wb") as file:
        file.write(b"flushed")
        file.flush()
        os.fsync(file.fileno())
        file.write(b" and not flushed")
    sync_folder(disk.root)
    (disk.root / "after").write_bytes(b"not flushed")
    disk.snapshot()
    disk.restart()
    assert (disk.root / "whole").read_bytes().rstrip(b"\0") == b"flushed"  # its length may be there
    assert not (disk.root / "after").exists()
    assert (disk.root / "before").read_bytes() in {b"", bytes(7)}  # its name was flushed with the folder


@pytest.mark.loop_devices
def test_a_full_disk_takes_no_more_until_it_is_drained(disk: Disk) -> None:
    """Nothing is left, then all that was taken is given back."""
    free = shutil.disk_usage(disk.root).free
    disk.fill(0)
    with pytest.raises(OSError, match="No space left"):
        (disk.root / "more").write_bytes(bytes(1 << 20))
    (disk.root / "more").unlink()
    disk.drain()
    assert shutil.disk_usage(disk.root).free > free - (1 << 20)
    disk.fill(1_000_000)
    assert 0 < shutil.disk_usage(disk.root).free <= 1_000_000


def test_a_seed_is_drawn_the_same_each_time() -> None:
    """Another seed is another plan; over many seeds each kind of fault is drawn."""
    assert plan.draw(7, EVERYTHING) == plan.draw(7, EVERYTHING)
    drawn = [plan.weather(seed, EVERYTHING) for seed in range(1, 101)]
    assert {fault.kind for _, faults in drawn for fault in faults} == {*plan.DRAWS, "gone"}
    assert {setting.topology for setting, _ in drawn} == set(plan.TOPOLOGIES)


@pytest.mark.parametrize("way", plan.WAYS)
def test_each_way_to_send_sends_every_slice(way: str) -> None:
    """However they are divided, all slices of both series are sent."""
    slices, other = (cases.make("refused", name, random.Random(1)) for name in ("a", "b"))
    sent = [one for part, _ in plan.WAYS[way](slices, other, random.Random(3)) for one in part]
    assert set(slices) <= set(sent)
    assert (set(other) <= set(sent)) == (way == "interleaved")


def test_a_machine_without_means_draws_no_fault_of_theirs() -> None:
    """No disk to fill and no database to kill where there is none."""
    bare = plan.Means(disks=False, postgresql=False)
    drawn = [fault for seed in range(1, 60) for fault in plan.weather(seed, bare)[1]]
    assert not {fault.kind for fault in drawn} & {"power", "full", "database restart", "database kill"}
    assert "database" not in {fault.on for fault in drawn}


def test_content_is_the_same_in_another_encoding(tmp_path: Path) -> None:
    """A data set is known again in implicit VR; with another value it is not."""
    dataset = ct.series()[0]
    (tmp_path / "explicit").write_bytes(ct.encoded(dataset))
    before = content_digest(dcmread(tmp_path / "explicit"))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    (tmp_path / "implicit").write_bytes(ct.encoded(dataset))
    assert content_digest(dcmread(tmp_path / "implicit")) == before
    dataset.PatientID = "P2"
    (tmp_path / "other").write_bytes(ct.encoded(dataset))
    assert content_digest(dcmread(tmp_path / "other")) != before
