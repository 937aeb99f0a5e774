import shutil

import pytest

from millet.edge import models
from millet.errors import ModelError


@pytest.fixture
def root(tmp_path):
    """A copy of the bundled models."""
    shutil.copytree(models.bundled() / "log", tmp_path / "log")
    return tmp_path


def test_the_bundled_model_is_what_its_manifest_says():
    """Name, version and digest of the model that comes with Millet agree."""
    manifest, graph = models.load(models.find(models.bundled(), "log/1"))
    assert (manifest.name, manifest.version, manifest.count_limit) == ("log", "1", None)
    assert graph


def test_an_altered_graph_is_refused(root):
    """One changed byte and nothing starts."""
    path = root / "log/1/model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="digest"):
        models.manifest(models.find(root, "log/1"))


def test_a_model_under_another_name_is_refused(root):
    """A folder must hold the model that it is named for."""
    (root / "log/1").rename(root / "log/2")
    with pytest.raises(ModelError, match="log/1"):
        models.manifest(models.find(root, "log/2"))


@pytest.mark.parametrize("name", ["log", "log/9", "../log/1", "log/1/x"])
def test_what_is_not_there_is_refused(root, name):
    """A model that cannot be found is a ModelError."""
    with pytest.raises(ModelError):
        models.find(root, name)


def test_all_models_are_listed(root):
    """One folder a model."""
    assert models.folders(root) == (root / "log/1",)
