"""What the GPUs of this machine are doing, asked of NVIDIA's management library (NVML) whenever metrics are.

Nothing here starts a context on a GPU. A GPU that has fallen off its bus answers no more: it then counts as
absent, which is what an operator must hear of.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

LIBRARY = "libnvidia-ml.so.1"


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One GPU at one moment."""

    used_bytes: int
    total_bytes: int
    utilization: float
    """Share of the last moment in which it computed, 0 to 1."""


class Nvml:
    """The library, as far as it is there; without it no GPU is seen."""

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._nvml: ctypes.CDLL | None = ctypes.CDLL(library)
        except OSError:
            self._nvml = None
            return
        if self._nvml.nvmlInit_v2():
            self._nvml = None

    def look(self, gpu: int) -> Seen | None:
        """One GPU by its number; None where it does not answer."""
        if self._nvml is None:
            return None
        handle, memory, use = ctypes.c_void_p(), _Memory(), _Utilization()
        asked = (
            self._nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(gpu), ctypes.byref(handle)),
            self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)),
        )
        if any(asked):
            return None
        busy = not self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(use))  # not of a MIG slice
        share = use.gpu / 100 if busy else float("nan")
        return Seen(used_bytes=memory.used, total_bytes=memory.total, utilization=share)


class Devices:
    """Metrics of the GPUs that are configured, in the order of their numbers."""

    def __init__(self, registry: CollectorRegistry, gpus: Sequence[int], nvml: Nvml) -> None:
        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"millet_gpu_{name}", meaning, ["gpu"], registry=registry)

        self._gpus, self._nvml = gpus, nvml
        self._up = gauge("up", "1 while a GPU answers.")
        self._used = gauge("memory_used_bytes", "Memory in use, by whomever.")
        self._total = gauge("memory_total_bytes", "Memory that it has.")
        self._share = gauge("utilization_ratio", "Share of time in which it computed.")
        for one in (self._used, self._total, self._share):
            for gpu in gpus:
                one.labels(str(gpu)).set(math.nan)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        for gpu in self._gpus:
            seen = self._nvml.look(gpu)
            self._up.labels(str(gpu)).set(seen is not None)
            if seen is not None:
                self._used.labels(str(gpu)).set(seen.used_bytes)
                self._total.labels(str(gpu)).set(seen.total_bytes)
                self._share.labels(str(gpu)).set(seen.utilization)
