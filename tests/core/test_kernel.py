from __future__ import annotations

import pytest

from millet.core.kernel import blur_mm


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [("BONE", 0.9), ("B70f", 0.9), ("FC86", 0.9), ("STANDARD", 1.2), ("B31f", 1.2), ("", 1.2), ("SOFT", 1.4),
     ("B20s", 1.4), ("Br64d\\3", 0.9)],
)  # fmt: skip
def test_kernels_by_their_vendors_names(kernel, expected):
    """Sharp, usual and soft kernels; an unknown one is taken for usual."""
    assert blur_mm(kernel) == expected
