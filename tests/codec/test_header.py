from __future__ import annotations

import json
from dataclasses import fields, replace

from instances import header

from millet.codec.header import decode, encode


def test_a_header_comes_back_as_it_was():
    """Every field, with its type, survives the way through JSON."""
    there = replace(header(7), descriptions=("THORAX",))
    back = decode(encode(there))
    assert back == there
    for field in fields(there):
        assert type(getattr(back, field.name)) is type(getattr(there, field.name)), field.name


def test_a_header_of_an_older_version_still_reads():
    """What was kept before counts were read is absent; what is of more than one frame stays so."""
    younger = ("stated_instances", "stated_slices", "stated_in_acquisition")
    younger += ("concatenation_uid", "concatenation_parts")
    kept = json.loads(encode(replace(header(7), frames=3)))
    document = json.dumps({name: value for name, value in kept.items() if name not in younger})
    assert decode(document) == replace(header(7), frames=3)


def test_absent_facts_stay_absent():
    """None is not zero, and not an empty text."""
    there = replace(
        header(7),
        pixel_spacing_mm=None,
        position_mm=None,
        row_direction=None,
        column_direction=None,
        birth=None,
        rescale_slope=None,
    )
    assert decode(encode(there)) == there
