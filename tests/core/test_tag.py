"""A series without its UID."""

from millet.core.tag import series_tag


def test_a_tag_is_short_stable_and_tells_series_apart():
    """The same series has the same tag in every log of every process; its UID cannot be read from it."""
    assert series_tag("1.2.3") == "c47f5b18b8a4"
    assert len({series_tag(f"1.2.{n}") for n in range(1000)}) == 1000
    assert all(c in "0123456789abcdef" for c in series_tag("1.2.3"))
    assert len(series_tag("x\udcff")) == 12
