"""Models on disk: one folder each, `<name>/<version>/{model.onnx, manifest.json, MODEL_CARD.md}`."""

from __future__ import annotations

from pathlib import Path

from millet.core.manifest import Manifest, check_digest, parse
from millet.errors import ModelError

_PACKAGE = Path(__file__).resolve().parents[1]


def bundled() -> Path:
    """The root of the models that come with Millet: in the wheel, or beside it in a checkout."""
    inside = _PACKAGE / "_models"
    return inside if inside.is_dir() else _PACKAGE.parents[1] / "models"


def folders(root: Path) -> tuple[Path, ...]:
    """The folders of all models below a root, by name and version."""
    return tuple(sorted(path.parent for path in root.glob("*/*/manifest.json")))


def find(root: Path, model: str) -> Path:
    """The folder of `name/version` below a root. Raises ModelError."""
    if model.count("/") != 1 or ".." in model:
        raise ModelError(f"a model is named name/version, not {model!r}")
    folder = root / model
    missing = [name for name in ("model.onnx", "manifest.json") if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"model {model} in {root} lacks {' and '.join(missing)}")
    return folder


def manifest(folder: Path) -> Manifest:
    """The manifest of a model, its graph's digest checked. Raises ModelError."""
    return load(folder)[0]


def load(folder: Path) -> tuple[Manifest, bytes]:
    """Read a manifest and the graph it vouches for. Raises ModelError."""
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        model = (folder / "model.onnx").read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model in {folder} cannot be read: {error}") from error
    found = parse(text)
    if (found.name, found.version) != (folder.parent.name, folder.name):
        raise ModelError(f"{folder} holds the manifest of {found.name}/{found.version}")
    check_digest(found, model)
    return found, model
