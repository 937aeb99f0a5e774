"""Models on disk: one folder each, `<name>/<version>/{*.onnx, manifest.json, MODEL_CARD.md}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from millet.core.manifest import Graph, Manifest, altered, parse, written
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
    if not (folder / "manifest.json").is_file():
        raise ModelError(f"model {model} in {root} lacks manifest.json")
    return folder


def manifest(folder: Path) -> Manifest:
    """The manifest of a model, the digests of all its graphs checked. Raises ModelError."""
    found = _parsed(folder)
    _read(folder, found, found.graphs)
    return found


def load(folder: Path, precision: str = "fp32") -> tuple[Manifest, Mapping[str, bytes]]:
    """Read a manifest and, by name, the graphs it vouches for in one precision. Raises ModelError."""
    found = _parsed(folder)
    chosen = found.in_use(precision)
    held = _read(folder, found, chosen)
    return found, {graph.name: held[graph.file] for graph in chosen}


def add(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a new model below a root, whole or not at all, and read it back. Raises ModelError.

    What is there already is never overwritten, and nothing is written through a link out of the root.
    """
    for part in (manifest.name, manifest.version):
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", part):
            raise ModelError(f"a model's name and version must be plain folder names, not {part!r}")
    folder = root / manifest.name / manifest.version
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ModelError(f"{folder} leads out of {root}")
    if folder.exists():
        raise ModelError(f"{folder} is there already; give another name or version")
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=root, prefix=".import-") as staging:
        staged = Path(staging) / manifest.name / manifest.version
        staged.mkdir(parents=True)
        for name, encoded in {**files, "manifest.json": written(manifest).encode()}.items():
            (staged / name).write_bytes(encoded)
        _read(staged, _parsed(staged), manifest.graphs)
        folder.parent.mkdir(exist_ok=True)
        staged.rename(folder)
    return folder


def rewrite(folder: Path, manifest: Manifest) -> None:
    """Write another manifest of a model that is there, whole or not at all. Raises ModelError.

    It must be of the same model, and of graphs that are in the folder.
    """
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        raise ModelError(f"{folder} is not the folder of {manifest.name}/{manifest.version}")
    text = written(manifest)
    _read(folder, parse(text), manifest.graphs)
    with TemporaryDirectory(dir=folder, prefix=".manifest-") as staging:
        draft = Path(staging) / "manifest.json"
        draft.write_text(text, "utf-8")
        draft.replace(folder / "manifest.json")


def _parsed(folder: Path) -> Manifest:
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model in {folder} cannot be read: {error}") from error
    found = parse(text)
    if (found.name, found.version) != (folder.parent.name, folder.name):
        raise ModelError(f"{folder} holds the manifest of {found.name}/{found.version}")
    return found


def _read(folder: Path, manifest: Manifest, graphs: Iterable[Graph]) -> Mapping[str, bytes]:
    """The bytes of graphs by file, their digests checked."""
    held, mistakes = {}, []
    for graph in graphs:
        try:
            held[graph.file] = (folder / graph.file).read_bytes()
        except OSError as error:
            mistakes.append(f"{graph.file} cannot be read: {error.strerror}")
    mistakes += altered(manifest, held)
    if mistakes:
        raise ModelError(f"model {manifest.name}/{manifest.version}: " + "; ".join(mistakes))
    return held
