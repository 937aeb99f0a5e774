"""A bundle's files and its weights, read without running anything that they hold."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from millet.errors import ModelError

WEIGHTS, SCRIPT = "models/model.pt", "models/model.ts"
TRUST_HINT = "it is a program, not only weights; --trust loads it all the same"
TOLD = 5
"""Weights that do not fit and are named; of the others their number."""


def inside(folder: Path, name: str) -> Path:
    """A file of a folder that really lies in it, links followed. Raises ModelError."""
    path = folder / name
    try:
        held = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{name} cannot be followed: {error}") from error
    if not held:
        raise ModelError(f"{name} leads out of {folder.name}")
    if not path.is_file():
        raise ModelError(f"{folder.name} lacks {name}")
    return path


def weights(folder: Path, *, trust: bool = False) -> Mapping[str, Tensor]:
    """The weights by name, from `model.pt`, or from `model.ts` where there is no other. Raises ModelError.

    `model.pt` is read as tensors alone; a pickle that holds anything else is refused. TorchScript
    carries code, so it is loaded only where the caller trusts it; its weights are taken, not its code.
    """
    scripted = not (folder / WEIGHTS).exists() and (folder / SCRIPT).exists()
    name = SCRIPT if scripted else WEIGHTS
    path = inside(folder, name)
    if scripted and not trust:
        raise ModelError(f"{name}: {TRUST_HINT}")
    try:
        found = _scripted(path) if scripted else torch.load(path, "cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise ModelError(f"{name} holds no weights that can be read safely: {_first_line(error)}") from error
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        found = found["model"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{name} must hold tensors by name, or such a table under `model`")
    return found


def _scripted(path: Path) -> Any:
    """The weights of a TorchScript module."""
    with warnings.catch_warnings():
        # Torch would have its users leave TorchScript; bundles that were exported before have nothing else.
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path, "cpu").state_dict()  # type: ignore[no-untyped-call]  # untyped in torch


def load(network: torch.nn.Module, found: Mapping[str, Tensor]) -> None:
    """Fill a network with weights; each name and each size must fit. Raises ModelError."""
    wanted = network.state_dict()
    amiss = [f"{name} is missing" for name in wanted if name not in found]
    amiss += [f"{name} is unknown" for name in found if name not in wanted]
    amiss += [
        f"{name} is {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    if amiss:
        more = f" and {len(amiss) - TOLD} more" if len(amiss) > TOLD else ""
        raise ModelError(f"weights are of another network: {'; '.join(amiss[:TOLD])}{more}")
    if not all(torch.isfinite(value).all() for value in found.values()):
        raise ModelError("weights are not all finite numbers")
    network.load_state_dict(dict(found), strict=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
