"""What this machine's processor has instructions for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

EIGHT_BIT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Dot products of 8 bit numbers: without them an int8 graph is no quicker than an fp32 one."""


BF16 = frozenset({"amx_bf16"})
"""Without tiles of it bf16 is slower than fp32, although a processor may have single instructions."""


@cache
def flags() -> frozenset[str]:
    """The processor's flags as Linux tells them; none where it does not."""
    try:
        return told(Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        return frozenset()


def told(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor in the text of `/proc/cpuinfo`: x86 says flags, Arm features."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    found = next((value for name, _, value in lines if name.strip() in {"flags", "Features"}), "")
    return frozenset(found.split())


def quick_in_int8() -> bool:
    """Whether int8 graphs run several times as fast here as fp32 ones."""
    return bool(flags() & EIGHT_BIT)


def quick_in_bf16() -> bool:
    """Whether fp32 graphs run several times as fast here when they compute in bf16."""
    return bool(flags() & BF16)
