"""The whole path to a model folder, on chests and steps that are too few to learn anything."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import look
from train.chests import chest

from millet.core.manifest import Source
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.errors import ModelError
from millet.train import card, course, loop, package, syllabus
from millet.train.backgrounds import keep
from millet.train.net import HALO

STEPS = course.Steps(simulated=2, mixed=2, coarse=2)
SOURCE = Source(data="made up", licence="none")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation on few windows."""
    monkeypatch.setattr(course, "VALIDATION_WINDOWS", 3)
    monkeypatch.setattr(package, "CALIBRATION_WINDOWS", 2)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder whose chests are there already, and small."""
    for subject in (course.FINE, course.COARSE):
        step = subject.recipe.grid_mm
        for pool, seeds in ((subject.name, subject.seeds), (f"{subject.name}-held-out", subject.held_out)):
            for seed in seeds:
                keep(chest((step, step, step)), tmp_path / "chests" / pool / f"A{seed}.npz")
    return tmp_path


def test_a_model_is_made_that_the_service_runs(work: Path, few: None) -> None:
    """In every precision it states, and once made it is not made again."""
    told: list[str] = []
    taught = course.Course(
        work=work, real=(), marks=None, steps=STEPS, watch=lambda what, _share: told.append(what)
    )
    learned = taught.learn("simulated-only")
    folder = work / "models" / "tiny" / "7"
    sources = card.simulated(learned)
    package.write(folder, learned, sources, card.text(folder, learned, sources, (), STEPS))
    found, graphs = models.load(folder, "int8")
    assert found.precisions == ("fp32", "fp16", "int8")
    assert found.count_limit is None
    assert "tiny/7" in (folder / "MODEL_CARD.md").read_text()
    window = np.full((2 * HALO + 8,) * 3, -850, np.float32)
    for encoded in graphs.values():
        look(OpenVinoDetector(encoded, precision="int8"), window)
    told.clear()
    again = taught.learn("simulated-only")
    assert not told
    assert [one.threshold for one in again] == [one.threshold for one in learned]


def _table(folder: Path, text: str) -> Path:
    path = folder / "series.toml"
    path.write_text(text)
    return path


ENTRY = '[[series]]\nname = "{0}"\nfolder = "{0}"\nsource = "Series {0}"\nlicence = "CC0"\n'


def test_a_table_tells_the_series_but_those_left_out(tmp_path: Path) -> None:
    """With their folders, marks and sources."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "marks.csv").touch()
    table = _table(tmp_path, 'marks = "marks.csv"\n' + ENTRY.format("a") + ENTRY.format("b"))
    read = syllabus.read(table, tmp_path, ["a"])
    assert [real.folder for real in read.series] == [tmp_path / "b"]
    assert read.sources == (Source(data="Series b", licence="CC0"),)
    assert read.marks == tmp_path / "marks.csv"


@pytest.mark.parametrize(
    ("text", "without", "said"),
    [
        ("nothing = 1\n", (), "series"),
        ("= broken", (), "TOML"),
        (ENTRY.format("gone"), (), "no folder"),
        (ENTRY.format("gone"), ("other",), "other"),
        (ENTRY.format("gone") + "extra = 1\n", (), "extra"),
        ('marks = "no.csv"\n' + ENTRY.format("here"), (), "no.csv"),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, text: str, without: tuple[str, ...], said: str) -> None:
    """By what is wrong with it."""
    (tmp_path / "here").mkdir()
    with pytest.raises(ModelError, match=said):
        syllabus.read(_table(tmp_path, text), tmp_path, without)


def test_a_variant_begins_from_a_network_that_is_given(work: Path, few: None) -> None:
    """And learns on from there, or not at all."""
    taught = course.Course(work=work, real=(), marks=None, steps=STEPS, watch=lambda _what, _share: None)
    taught.learn("one")
    start = loop.trained(work / "networks" / "fine-simulated" / "checkpoint.pt")
    told: list[str] = []
    nothing = replace(STEPS, simulated=0)
    given = replace(taught, start=start, steps=nothing, watch=lambda what, _share: told.append(what))
    fine, coarse = given.learn("two")
    assert fine.net is start
    assert not any("fine" in what for what in told)
    text = card.text(work / "a" / "1", (fine, coarse), (), (), nothing, start=Path("before.pt"))
    assert "`before.pt`" in text
    shutil.copytree(work / "chests", work / "on" / "chests")
    on, _ = replace(given, work=work / "on", steps=STEPS).learn("three")
    assert not torch.equal(on.net.head.weight, start.head.weight)
    with pytest.raises(ValueError, match="nothing to start from"):
        replace(given, work=work / "none", start=None).learn("four")
