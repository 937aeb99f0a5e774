"""Ten thousand nodules through every way out: no list, message, report or page is cut."""

import json
import re
from dataclasses import replace

import pytest
import reports
from analyses import analysis, spread

from millet.codec import record, sr, tables, wire
from millet.codec.source import Source
from millet.edge.web import Voice, found
from millet.proto.millet.v1 import analysis_service_pb2 as pb

COUNT = 10_000


@pytest.fixture(scope="module")
def many():
    """An analysis of 10,000 nodules."""
    return replace(analysis(2), nodules=tuple(spread(COUNT)))


def test_the_record_holds_all(many):
    """What the journal keeps reads back as the same analysis."""
    assert record.decode(record.encode(many)) == many


def test_the_tables_hold_all(many):
    """`nodules.csv` has a line for each."""
    assert len(tables.read(tables.scored(many.nodules))) == COUNT


def test_the_message_holds_all(many):
    """Protobuf, to bytes and back; pages of it are tested where they are cut."""
    encoded = wire.analysis_to_wire(many).SerializeToString()
    assert wire.analysis_from_wire(pb.Analysis.FromString(encoded)).nodules == many.nodules


def test_the_report_holds_all():
    """The SR names each by its tracking UID, which stands nowhere else (its groups are read in test_sr)."""
    found = reports.nodules(COUNT)
    encoded = sr.encode(reports.analysis(found), Source.read(reports.ct_series()))
    uids = {text.decode() for text in re.findall(rb"2\.25\.\d+", encoded)}
    assert {nodule.tracking_uid for nodule in found} <= uids


def test_the_page_shows_all(many):
    """What its table is made from holds each, and without a script each is behind a link to the next part."""
    held, start = json.loads(found.encoded(many, None, Voice()))["nodules"], 1
    assert {len(column) for column in held.values()} == {COUNT}
    seen = []
    while (part := found.part(many, str(start))).nodules:
        seen += [nodule.number for nodule in part.nodules]
        if (start := part.last + 1) > part.total:
            break
    assert seen == held["number"] == list(range(1, COUNT + 1))
