"""Scanners and kernels in few classes."""

import pytest

from millet.core.makes import Kernel, Make, kernel_of, make_of


@pytest.mark.parametrize(
    ("manufacturer", "make"),
    [
        ("GE MEDICAL SYSTEMS", Make.GE),
        ("ge", Make.GE),
        ("Siemens Healthineers", Make.SIEMENS),
        ("SIEMENS", Make.SIEMENS),
        ("Philips", Make.PHILIPS),
        ("TOSHIBA_MEC", Make.CANON),
        ("Canon Medical Systems", Make.CANON),
        ("FUJIFILM Healthcare", Make.FUJIFILM),
        ("Hitachi, Ltd.", Make.FUJIFILM),
        ("UIH", Make.UNITED_IMAGING),
        ("Neusoft Medical", Make.NEUSOFT),
        ("Imaginary Ltd", Make.OTHER),
        ("  ", Make.UNSTATED),
    ],
)
def test_a_maker_is_known_however_it_writes_itself(manufacturer, make):
    """Names of one maker fall into one class."""
    assert make_of(manufacturer) is make


@pytest.mark.parametrize(
    ("kernel", "known"),
    [
        ("LUNG", Kernel.SHARP),
        ("B70f", Kernel.SHARP),
        ("SOFT", Kernel.SOFT),
        ("B30f", Kernel.USUAL),
        ("made up", Kernel.USUAL),
        ("", Kernel.UNSTATED),
    ],
)
def test_a_kernel_is_what_it_does(kernel, known):
    """Vendors' names become what they do to a scan."""
    assert kernel_of(kernel) is known
