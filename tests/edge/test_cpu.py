from __future__ import annotations

from pathlib import Path

import pytest

from millet.edge import cpu

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: A processor: of some kind
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni amx_bf16 amx_tile amx_int8
vmx flags\t: vnmi preemption_timer
bugs\t\t: spectre_v1

processor\t: 1
flags\t\t: fpu sse2
"""
OLD = "processor\t: 0\nflags\t\t: fpu sse2 avx2 avx512f avx512_bf16\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp bf16\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("cpuinfo", "some", "int8", "bf16"),
    [
        (XEON, {"fpu", "amx_tile", "avx512_vnni"}, True, True),
        (OLD, {"avx512f", "avx512_bf16"}, False, False),
        (ARM, {"asimd", "asimddp"}, True, False),
        ("processor\t: 0\n", set(), False, False),
        ("", set(), False, False),
    ],
    ids=["xeon", "old", "arm", "says nothing", "empty"],
)
def test_a_processor_tells_what_it_can(cpuinfo: str, some: set[str], int8: bool, bf16: bool) -> None:
    """Of the first processor, by its whole words, and by nothing else that has flags in its name."""
    found = cpu.told(cpuinfo)
    assert some <= found
    assert not found & {"vnmi", "GenuineIntel", "spectre_v1", "flags"}
    assert (bool(found & cpu.EIGHT_BIT), bool(found & cpu.BF16)) == (int8, bf16)


def test_this_machine_is_asked() -> None:
    """What is quick here follows from what Linux says."""
    here = cpu.told(Path("/proc/cpuinfo").read_text("utf-8"))
    assert cpu.flags() == here
    assert cpu.quick_in_int8() is bool(here & cpu.EIGHT_BIT)
    assert cpu.quick_in_bf16() is bool(here & cpu.BF16)
