"""The configured models on the configured devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from millet.core.criteria import CriteriaSet
from millet.core.doors import USUAL
from millet.core.manifest import Manifest
from millet.edge import cpu, criteria, kserve, models
from millet.edge.onnx_runtime import OnnxRuntimeDetector, TensorRt, devices
from millet.edge.openvino import OpenVinoDetector
from millet.errors import ModelError
from millet.flow.detect import most_voxels
from millet.flow.model import Model, Models
from millet.flow.second_reader import SecondReader
from millet.ports import Detector
from millet.settings import Settings
from millet.settings.security import rules

PROOF_VOXELS = 48
SECOND_READER = "log/1"
"""Who counts beside the configured model."""
STREAMS = {"cpu": 1, "cuda": 2}
"""Batches that run at once: a CPU gains nothing from several, a GPU uploads one while it computes another."""
WINDOWS = {"cpu": 1, "cuda": 8}
"""In a batch, at most."""
BF16 = "bf16"
"""No graph is written in it: an fp32 one computes in it on CPUs that have it."""


def load_model(chosen: Settings) -> Model:
    """The usual model on the first of the configured devices. Raises ModelError."""
    return load_models(replace(chosen, called=()))[0][USUAL]


def load_models(chosen: Settings) -> tuple[Models, ...]:
    """The usual model and those of called titles, for each of the configured devices.

    Raises ModelError, and SettingsError for further criteria with a mistake.
    """
    _leave_cores_to_the_engine()
    further = criteria.read(chosen.criteria_dir)
    return tuple(_on(chosen, device, further) for device in _devices(chosen))


def _leave_cores_to_the_engine() -> None:
    """What is computed beside the engine has one thread: others would spin, and wait for its threads."""
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")


def prove(model: Model) -> None:
    """Run each graph once, so that a device that cannot is known before a patient waits for it."""
    for reader in model.readers:
        for level in reader.manifest.levels:
            sides = [step * -(-PROOF_VOXELS // step) for step in level.multiple_voxels]
            block = np.full(sides, reader.manifest.hu_range[0], np.float32)
            detector = reader.detectors[level.graph]
            detector.detect(torch.from_numpy(block)[None].to(detector.device))


def _devices(chosen: Settings) -> tuple[str, ...]:
    """Where windows are looked at; every GPU where none is named."""
    if chosen.device != "cuda":
        return (chosen.device,)
    if not (found := devices()):
        raise ModelError("no CUDA device: PyTorch and ONNX Runtime must both be built for it, and see one")
    return found


def _on(chosen: Settings, device: str, further: tuple[CriteriaSet, ...]) -> Models:
    """Each model once, however many titles name it, and one second reader beside them all."""
    named, loaded = {USUAL: chosen.model, **rules(chosen).models}, dict[str, Model]()
    for title, name in named.items():
        try:
            loaded[name] = loaded.get(name) or _model(chosen, name, device)
        except ModelError as error:
            raise ModelError(f"called {title!r}: {error}" if title else str(error)) from error
    if others := loaded.keys() - {SECOND_READER}:
        second = _second_reader(chosen, device)
        loaded |= {name: loaded[name]._replace(second=second) for name in others}
    loaded = {name: model._replace(criteria=further) for name, model in loaded.items()}
    return {title: loaded[name] for title, name in named.items()}


def _model(chosen: Settings, name: str, device: str) -> Model:
    folder = models.find(chosen.models_dir or models.bundled(), name)
    return Model(*_loaded(folder, _precision(chosen, folder, device), _maker(chosen, device)))


def _precision(chosen: Settings, folder: Path, device: str) -> str:
    """The configured precision; "auto" is the quickest that costs no accuracy to speak of.

    A model with a graph in int8 was judged with coarser numbers than fp32; of another nothing is known.
    """
    if chosen.model_precision != "auto":
        return chosen.model_precision
    held = models.manifest(folder).precisions
    if device != "cpu":
        return "fp16" if "fp16" in held else "fp32"
    if chosen.remote:
        return "fp32"
    if "int8" not in held:
        return "fp32"
    if cpu.quick_in_bf16():
        return BF16
    return "int8" if cpu.quick_in_int8() else "fp32"


def _second_reader(chosen: Settings, device: str) -> SecondReader:
    """The analytic detector that comes with Millet, whichever model reports; here, wherever that one runs."""
    folder = models.find(models.bundled(), SECOND_READER)
    here = "cuda" if device == "tensorrt" else device
    manifest, detectors = _loaded(folder, "fp32", _Here(chosen, here))
    return SecondReader(manifest=manifest, detectors=detectors)


class _Maker(Protocol):
    def __call__(self, manifest: Manifest, name: str, graph: bytes, precision: str) -> Detector: ...


def _maker(chosen: Settings, device: str) -> _Maker:
    return _Elsewhere(chosen) if chosen.remote else _Here(chosen, device)


def _loaded(folder: Path, precision: str, make: _Maker) -> tuple[Manifest, Mapping[str, Detector]]:
    manifest, graphs = models.load(folder, "fp32" if precision == BF16 else precision)
    return manifest, {name: make(manifest, name, graph, precision) for name, graph in graphs.items()}


@dataclass(frozen=True)
class _Here:
    """Detectors on this machine."""

    chosen: Settings
    device: str

    def __call__(self, manifest: Manifest, name: str, graph: bytes, precision: str) -> Detector:  # noqa: ARG002 - as others are made
        threads = self.chosen.threads
        if self.device == "cpu":
            if precision == BF16:
                return OpenVinoDetector(graph, compute=BF16, threads=threads)
            return OpenVinoDetector(graph, precision=precision, threads=threads)
        if precision == BF16:
            raise ModelError(f"bf16 is for CPUs, not for {self.device}")
        tensorrt = _tensorrt(manifest, self.chosen) if self.device == "tensorrt" else None
        device = "cuda" if self.device == "tensorrt" else self.device
        return OnnxRuntimeDetector(
            graph,
            precision=precision,
            device=device,
            threads=threads,
            streams=STREAMS["cuda"],
            tensorrt=tensorrt,
        )


def _tensorrt(manifest: Manifest, chosen: Settings) -> TensorRt:
    """Engines for every window that a plan can make."""
    level = manifest.levels[0]

    def batch(count: int, share: float) -> tuple[int, int, int, int]:
        z, y, x = (
            -(-(round(most * share) + 2 * halo) // multiple) * multiple
            for most, halo, multiple in zip(
                most_voxels(level), level.halo_voxels, level.multiple_voxels, strict=True
            )
        )
        return count, z, y, x

    engines = chosen.state_dir / "engines"
    return TensorRt(least=batch(1, 0.05), usual=batch(1, 0.5), most=batch(8, 1.1), engines=engines)


@dataclass(frozen=True)
class _Elsewhere:
    """Detectors behind a KServe v2 server, each proved against the same graph on this machine's CPU."""

    chosen: Settings

    def __call__(self, manifest: Manifest, name: str, graph: bytes, precision: str) -> Detector:
        local = OpenVinoDetector(graph, precision=precision, threads=self.chosen.threads)
        return kserve.connect(self._endpoint(), manifest, name, precision, local)

    def _endpoint(self) -> kserve.Endpoint:
        chosen = self.chosen
        paths = (chosen.remote_roots, chosen.remote_certificate, chosen.remote_key)
        tls = kserve.Tls(roots=paths[0], certificate=paths[1], key=paths[2]) if chosen.remote_tls else None
        headers = {}
        if chosen.remote_token_file:
            token = chosen.remote_token_file.read_text("utf-8").strip()
            headers = {"authorization": f"Bearer {token}"}
        return kserve.Endpoint(
            address=chosen.remote, timeout_s=chosen.remote_timeout_s, tls=tls, headers=headers
        )
