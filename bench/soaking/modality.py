"""The modality: sends the studies of the plan at a scanner's pace, and notes what was acknowledged.

What is sent is a phantom's slices under other names: the elements that say who and what they are of are put
in their place in the head of each data set, and no pixel is touched.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dimse import messages
from dimse.association import Association
from inferring import series as chests

from soaking import plan
from soaking.lines import Lines
from soaking.plan import Series, Study

PACE_PER_S = 60.0
"""Slices; 40 to 100 are usual."""
LATE_AFTER_S = 60.0
AGAIN_S = 2.0
"""After which a receiver that was away is tried again."""
CALLING = "CT1"
PLACES = {"sparse": (2, None), "case": (0, None), "miliary": (1, 2000)}
"""Seed and number of nodules of each chest."""
LOCALIZER = b"ORIGINAL\\PRIMARY\\LOCALIZER"
REFUSED = "refused"


def tag(group: int, element: int) -> bytes:
    """As it stands in a data set."""
    return struct.pack("<HH", group, element)


def put(head: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """A head with other values of some elements; each of them must be there and have a short length."""
    for name, value in values.items():
        at = head.index(name)
        (length,) = struct.unpack_from("<H", head, at + 6)
        padding = b"\0" if head[at + 4 : at + 6] == b"UI" else b" "
        padded = value + padding * (len(value) % 2)
        head = head[: at + 6] + struct.pack("<H", len(padded)) + padded + head[at + 8 + length :]
    return head


def named(head: bytes, study: Study, series: Series, index: int) -> bytes:
    """The head of a slice as one of this study."""
    day = study.day.encode()
    values = {
        tag(8, 0x18): series.sop_instance_uid(index).encode(),
        tag(8, 0x20): day,
        tag(8, 0x21): day,
        tag(8, 0x22): day,
        tag(8, 0x23): day,
        tag(8, 0x50): study.accession.encode(),
        tag(0x10, 0x20): study.patient.encode(),
        tag(0x20, 0xD): study.uid.encode(),
        tag(0x20, 0xE): series.uid.encode(),
        tag(0x20, 0x52): plan.uid_of("frame", study.uid).encode(),
    }
    if series.kind == plan.SCOUT:
        values[tag(8, 8)] = LOCALIZER
    return put(head, values)


def folder_of(series: Series, size: plan.Size) -> Path:
    """The phantom that a series is made of; it is made where it is not there yet."""
    seed, nodules = PLACES[series.chest]
    slices = size.thin if series.kind == plan.THIN else size.thick
    made = chests.phantom(series.chest, slices, seed=seed, nodules=nodules)
    return chests.as_jpeg_ls(made) if series.encoding == "jpegls" else made


class Modality:
    """Sends one study after the other; each by itself may be sent from a thread of its own."""

    def __init__(self, port: int, size: plan.Size, sent: Lines, stop: threading.Event) -> None:
        self._port, self._size, self._sent, self._stop = port, size, sent, stop
        self.lost = threading.Event()
        """Set where the service is away for good: nothing is tried again then."""

    def send(self, study: Study) -> None:
        """Send a study, late slices included; once asked to stop it waits for nothing any more."""
        self._note("begun", study=study.number)
        for series in study.series:
            last_s = self._store(study, series, series.slices)
            if series.again:
                self._store(study, series, series.slices)
            if series.false:
                self._offer_false(study, series)
            self._note("series", series=series, instances=len(series.slices), last_s=last_s)
        for series in study.series:
            if series.late:
                self._stop.wait(LATE_AFTER_S)
                last_s = self._store(study, series, series.late)
                whole = len(series.slices) + len(series.late)
                self._note("series", series=series, instances=whole, last_s=last_s)
        self._note("ended", study=study.number)

    def _note(self, event: str, *, series: Series | None = None, **more: object) -> None:
        told = {"study": series.study, "kind": series.kind, "series_uid": series.uid} if series else {}
        self._sent.add({"event": event, "at_s": time.time(), **told, **more})

    def _store(self, study: Study, series: Series, indices: range | list[int]) -> float:
        """Until all are acknowledged, whatever is away meanwhile; when the last one was."""
        left = list(indices)
        while left:
            try:
                self._associate(study, series, left)
            except OSError as failure:
                if self.lost.is_set():
                    raise
                self._note("failed", series=series, why=str(failure))
                time.sleep(AGAIN_S)
        return time.time()

    def _associate(self, study: Study, series: Series, left: list[int]) -> None:
        paths = sorted(folder_of(series, self._size).glob("*.dcm"))
        first = messages.Instance.of_file(paths[0].read_bytes())
        with Association(self._port, first.syntax, CALLING) as association:
            longest, begun_s, number = association.longest_pdu_bytes, time.monotonic(), 0
            for number, index in enumerate(list(left)):
                one = messages.Instance.of_file(paths[index].read_bytes())
                time.sleep(max(begun_s + number / PACE_PER_S - time.monotonic(), 0))
                head = named(one.head, study, series, index)
                association.store(
                    messages.beginning(number, head, longest), messages.ending(one.rest, longest)
                )
                left.remove(index)

    def _offer_false(self, study: Study, series: Series) -> None:
        """Offer a slice under another UID than its own: it must be refused."""
        path = min(folder_of(series, self._size).glob("*.dcm"))
        one = messages.Instance.of_file(path.read_bytes())
        head = named(one.head, study, series, series.slices[0])
        own = series.sop_instance_uid(series.slices[0]).encode()
        other = own[:-1] + (b"1" if own[-1:] != b"1" else b"2")
        with Association(self._port, one.syntax, CALLING) as association:
            longest = association.longest_pdu_bytes
            command, _, rest = messages.beginning(0, head, longest).rpartition(own)
            try:
                association.store(command + other + rest, messages.ending(one.rest, longest))
            except ConnectionError as refusal:
                self._note(REFUSED, series=series, why=str(refusal))
            else:
                self._note("taken", series=series, why="an instance that was not the one named")


def unfinished(sent: Lines) -> tuple[list[int], int]:
    """Studies that were begun and not ended, and the number of the next one."""
    begun, ended = set[int](), set[int]()
    for line in sent:
        if line["event"] == "begun":
            begun.add(line["study"])
        elif line["event"] == "ended":
            ended.add(line["study"])
    return sorted(begun - ended), max(begun, default=-1) + 1


def due(seed: int, first: int, per_hour: float) -> Iterator[tuple[int, float]]:
    """Study by study, and how long to wait before the one after it."""
    number = first
    while True:
        yield number, plan.gap_s(seed, number, per_hour)
        number += 1
