"""`millet models import` as a shell sees it, and where a model's limit is told."""

from __future__ import annotations

import json
import os
import shutil
import sys

import bundles
import pytest
import torch

from millet import cli
from millet.edge import models


@pytest.fixture
def millet(monkeypatch, capsys):
    """`millet ARGUMENTS` in this process: its exit code, and what it says on both streams."""

    def run(*arguments: object, **settings: str) -> tuple[int, str, str]:
        for name in [name for name in os.environ if name.startswith("MILLET_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(f"MILLET_{name.upper()}", value)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["millet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def source(tmp_path):
    """The analytic detector as somebody's own ONNX, whose manifest states a limit and no digest."""
    folder = tmp_path / "source"
    shutil.copytree(models.bundled() / "log/1", folder)
    document = json.loads((folder / "manifest.json").read_text()) | {"count_limit": 42}
    for graph in document["graphs"]:
        del graph["digest"]
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_an_imported_model_is_listed_verified_and_looked_at_with_its_limit(millet, source, tmp_path):
    """import, list, verify and doctor each tell that it returns at most 42 findings."""
    root = tmp_path / "models"
    status, said, _ = millet("models", "import", source, "--out", root, "--name", "own", "--version", "3")
    assert status == 0
    assert "own/3 returns at most 42 findings a scan" in said
    assert "accuracy was not measured" in said
    assert sorted(path.name for path in (root / "own/3").iterdir()) == [
        "MODEL_CARD.md",
        "manifest.json",
        "model.onnx",
    ]
    assert "42" in millet("models", "list", "--root", root)[1]
    assert "own/3: ok, returns at most 42 findings a scan" in millet("models", "verify", "--root", root)[1]
    settings = {"models_dir": str(root), "model": "own/3", "state_dir": str(tmp_path / "state")}
    assert "returns at most 42 findings a scan" in millet("doctor", **settings)[1]


def test_a_model_without_a_limit_is_told_none(millet):
    """The bundled one is fine, and nothing is said of a limit."""
    (line,) = [line for line in millet("models", "verify")[1].splitlines() if line.startswith("log/1")]
    assert line == "log/1: ok"


def the_line(ended: tuple[int, str, str]) -> str:
    """The one line of a failure."""
    status, _, said = ended
    assert status == 1
    (line,) = [line for line in said.splitlines() if line.strip()]
    assert line.startswith("millet: ")
    return line


@pytest.fixture
def bundle(tmp_path):
    """A bundle without weights."""
    return bundles.write(tmp_path / "bundle")


def test_failures_are_one_line_that_names_the_file(millet, bundle, source, tmp_path):
    """Missing, unsafe, untrusted, misread, taken: exit 1, and nothing is written."""
    out = ("--out", tmp_path / "models")
    assert "is not there" in the_line(millet("models", "import", tmp_path / "nothing", *out))
    assert "lacks models/model.pt" in the_line(millet("models", "import", bundle, *out))
    (bundle / "models/model.ts").write_bytes(b"code")
    assert "--trust" in the_line(millet("models", "import", bundle, *out))
    torch.save({"weights": "none"}, bundle / "models/model.pt")
    assert "models/model.pt" in the_line(millet("models", "import", bundle, *out))
    torch.save({"a": torch.zeros(1)}, bundle / "models/model.pt")
    assert "weights are of another network" in the_line(millet("models", "import", bundle, *out))
    assert "--window" in the_line(millet("models", "import", bundle, *out, "--window", "96"))
    assert "plain folder names" in the_line(millet("models", "import", source, *out, "--name", "../x"))
    assert not (tmp_path / "models").exists()


def test_what_is_there_is_not_overwritten(millet, source, tmp_path):
    """A second import of the same name and version is refused."""
    assert millet("models", "import", source, "--out", tmp_path / "models")[0] == 0
    assert "is there already" in the_line(millet("models", "import", source, "--out", tmp_path / "models"))


def test_a_link_out_of_the_root_is_not_written_through(millet, source, tmp_path):
    """The model's folder is a link to elsewhere."""
    (tmp_path / "models").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "models/log").symlink_to(tmp_path / "elsewhere")
    assert "leads out of" in the_line(millet("models", "import", source, "--out", tmp_path / "models"))
    assert not list((tmp_path / "elsewhere").iterdir())
