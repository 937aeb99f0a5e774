from __future__ import annotations

import pytest

from millet.core.refusal import Verdict, of_ack, of_dimse, of_http, of_stow

TAKEN, LATER, NEVER, AWAY = Verdict.TAKEN, Verdict.LATER, Verdict.NEVER, Verdict.AWAY


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, TAKEN),
        (0xB000, TAKEN),
        (0xB007, TAKEN),
        (0x0111, TAKEN),
        (0xA700, LATER),
        (0xA7FF, LATER),
        (0x0110, LATER),
        (0x0213, LATER),
        (0xA900, NEVER),
        (0xC000, NEVER),
        (0x0122, NEVER),
        (0x0124, NEVER),
    ],
    ids=lambda value: f"{value:04X}" if isinstance(value, int) else "",
)
def test_a_dimse_status(status, verdict):
    """There, or there already; later where it may pass; never where the object is at fault."""
    assert of_dimse(status) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, TAKEN),
        (201, TAKEN),
        (204, TAKEN),
        (301, AWAY),
        (307, AWAY),
        (400, NEVER),
        (401, AWAY),
        (403, AWAY),
        (404, AWAY),
        (408, LATER),
        (409, LATER),
        (413, NEVER),
        (415, NEVER),
        (422, NEVER),
        (425, LATER),
        (429, LATER),
        (500, LATER),
        (501, NEVER),
        (502, AWAY),
        (503, AWAY),
        (504, LATER),
        (507, LATER),
    ],
)
def test_an_http_status(status, verdict):
    """What is wrong with the request is never taken; what is wrong with the way to it may pass."""
    assert of_http(status) is verdict


@pytest.mark.parametrize(
    ("status", "reasons", "verdict"),
    [
        (200, (), TAKEN),
        (202, (), TAKEN),
        (409, (0x0111,), TAKEN),
        (409, (0xA700,), LATER),
        (409, (0xA900,), NEVER),
        (409, (0x0122,), NEVER),
        (409, (), LATER),
        (202, (0xC000,), NEVER),
        (200, (0x0111,), TAKEN),
        (503, (), AWAY),
        (415, (), NEVER),
        (401, (), AWAY),
    ],
)
def test_a_stow_response(status, reasons, verdict):
    """The reason of the failed instance says more than the status of the response."""
    assert of_stow(status, reasons) is verdict


@pytest.mark.parametrize(
    ("code", "error", "verdict"),
    [
        ("AA", "", TAKEN),
        ("CA", "", TAKEN),
        ("AE", "", NEVER),
        ("AE", "101", NEVER),
        ("AE", "207", LATER),
        ("AR", "", LATER),
        ("AR", "200", NEVER),
        ("AR", "207", LATER),
        ("CE", "", LATER),
        ("CR", "", NEVER),
        ("CR", "206", LATER),
        ("??", "", LATER),
    ],
)
def test_an_acknowledgement(code, error, verdict):
    """A wrong message is never taken; a system that cannot take messages now may later."""
    assert of_ack(code, error) is verdict
