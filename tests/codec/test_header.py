from __future__ import annotations

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
