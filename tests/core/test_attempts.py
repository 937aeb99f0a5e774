"""Who fails too often has to wait."""

from __future__ import annotations

from millet.core.attempts import MOST_REMEMBERED, Attempts


def test_a_place_waits_until_its_first_failure_no_longer_counts():
    """Others do not; and it may then fail once more."""
    seen = Attempts(most=3, within_s=60.0)
    for now_s in (0.0, 10.0, 20.0):
        assert seen.wait_s("10.1.1.1", now_s) == 0.0
        seen.failed("10.1.1.1", now_s)
    assert seen.wait_s("10.1.1.1", 25.0) == 35.0
    assert seen.wait_s("10.1.1.2", 25.0) == 0.0
    assert seen.wait_s("10.1.1.1", 60.0) == 0.0
    seen.failed("10.1.1.1", 61.0)
    assert seen.wait_s("10.1.1.1", 62.0) == 8.0


def test_an_ipv6_network_is_one_place():
    """Whoever has one address of it has 2 to the 64."""
    seen = Attempts(most=1)
    seen.failed("2001:db8::1", 0.0)
    assert seen.wait_s("2001:db8::ffff", 1.0) > 0
    assert seen.wait_s("2001:db8:0:1::1", 1.0) == 0.0
    assert seen.wait_s("", 1.0) == 0.0


def test_an_ipv4_address_is_one_place_over_either_kind_of_socket():
    """And none of the others of IPv4 is it."""
    seen = Attempts(most=1)
    seen.failed("::ffff:10.1.1.1", 0.0)
    assert seen.wait_s("10.1.1.1", 1.0) > 0
    assert seen.wait_s("::ffff:10.1.1.2", 1.0) == 0.0


def test_places_without_end_are_not_remembered_without_end():
    """The one that failed least recently is forgotten."""
    seen = Attempts(most=1)
    for number in range(MOST_REMEMBERED + 1):
        seen.failed(f"place {number}", 0.0)
    assert seen.wait_s("place 0", 1.0) == 0.0
    assert seen.wait_s("place 1", 1.0) > 0
