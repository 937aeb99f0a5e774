"""Models that called titles name: which are loaded, for whom, and what is said of those that are not."""

import logging
import shutil
from dataclasses import replace

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from millet import app
from millet.app.analysing import _Left
from millet.app.service import Service
from millet.cli.doctor import _model
from millet.codec import criteria_toml
from millet.core.criteria_sets import LUNG_MILIARY
from millet.core.turns import EMERGENCY, ROUTINE
from millet.edge import models
from millet.errors import ModelError, SettingsError
from millet.ports import Policy, Site
from millet.settings import Settings
from millet.settings.called import CalledSection

OWN = replace(LUNG_MILIARY, identifier="lung-of-ours")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The analytic model, and the same under another name."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("log", "copy"):
        shutil.copytree(models.bundled() / "log/1", folder / name / "1")
    manifest = folder / "copy/1/manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"name": "log",\n  "version"', '"name": "copy",\n  "version"')
    )
    return folder


def chosen(root, **titles):
    """Settings with the analytic model as the usual one."""
    called = tuple(CalledSection(ae_title=title, model=model) for title, model in titles.items())
    return Settings(model="log/1", models_dir=root, called=called)


def test_each_model_is_loaded_once_however_many_titles_name_it(root):
    """Also where a title names the usual one; a title that names none is not in the table."""
    (found,) = app.load_models(chosen(root, A="copy/1", B="copy/1", C="log/1", D=""))
    assert set(found) == {"", "A", "B", "C"}
    assert found["A"] is found["B"]
    assert found["C"] is found[""]
    assert [found[title].manifest.name for title in ("", "A")] == ["log", "copy"]


def test_what_is_computed_beside_the_engine_has_one_thread(root):
    """Linear algebra and tensors alike, whatever else was set before."""
    threadpool_limits(2, user_api="blas")
    app.load_models(chosen(root))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert pools
    assert {pool["num_threads"] for pool in pools} == {1}
    assert torch.get_num_threads() == 1


def test_one_second_reader_counts_beside_all_models_but_itself(root):
    """Whichever of them is the usual one."""
    (found,) = app.load_models(chosen(root, A="copy/1"))
    assert found[""].second is None
    assert found["A"].second.name == "log/1"


def test_further_criteria_go_with_every_model(root, tmp_path):
    """Those of the configured folder; one with a mistake and nothing is loaded."""
    (tmp_path / "own.toml").write_text(criteria_toml.encode(OWN), "utf-8")
    (found,) = app.load_models(replace(chosen(root, A="copy/1"), criteria_dir=tmp_path))
    assert [found[title].criteria for title in ("", "A")] == [(OWN,), (OWN,)]
    (tmp_path / "own.toml").write_text("", "utf-8")
    with pytest.raises(SettingsError, match=r"own\.toml: identifier: is missing"):
        app.load_models(replace(chosen(root), criteria_dir=tmp_path))


def test_without_titles_there_is_only_the_usual_model(root):
    """So for whoever looks at a series without a service."""
    (found,) = app.load_models(chosen(root))
    assert set(found) == {""}
    assert app.load_model(chosen(root, A="absent/1")).manifest.name == "log"


def test_a_model_that_cannot_be_loaded_is_told_with_its_title(root):
    """The usual one without, since the setting is named like it."""
    with pytest.raises(ModelError, match="called 'A': model absent/1"):
        app.load_models(chosen(root, A="absent/1"))
    with pytest.raises(ModelError, match=r"^model gone/1"):
        app.load_models(Settings(model="gone/1", models_dir=root))


def test_a_doctor_runs_each_model_and_names_its_title(root):
    """One line for each; the usual one comes first."""
    usual, copy = _model(chosen(root, CHILD="copy/1")).splitlines()
    assert usual.startswith("log/1 in fp32 runs on ")
    assert copy.startswith("called CHILD: copy/1 in fp32 runs on ")


def test_whatever_way_it_comes_the_called_title_tells_the_policy(tmp_path):
    """What comes over HTTP or is pulled is journalled as sent to our own title."""
    called = (
        CalledSection(ae_title="MILLET"),
        CalledSection(ae_title="STAT", urgency="emergency", model="copy/1"),
        CalledSection(ae_title="OURS", model="log/1"),
    )
    service = Service(Settings(state_dir=tmp_path, ae_title="OURS", called=called, roles=("receive",)))
    store, *_ = service.parts()
    store.start()
    sources = ("CT1", "MILLET"), ("CT1", "STAT"), ("STOW-RS", "OURS"), ("pacs", "GONE")
    judged = [service._receiving._judged(Site("default", *source)) for source in sources]
    store.stop(1.0)
    assert judged == [
        Policy(ROUTINE, ""),
        Policy(EMERGENCY, "STAT"),
        Policy(ROUTINE, "OURS"),
        Policy(ROUTINE, ""),
    ]


class Waiting:
    """A journal that knows nothing but which titles' models are wanted."""

    def __init__(self):
        self.wanted = frozenset[str]()

    def model_titles(self):
        """See the journal."""
        return self.wanted


def test_series_that_wait_for_another_analyser_are_told_once(caplog):
    """And again when it is another title; never those whose model is here."""
    journal = Waiting()
    left = _Left(journal, ["", "HERE"])
    told = []
    for titles in ("", "HERE", "CHILD", "CHILD", "CHILD SMALL", "SMALL", "", "CHILD"):
        journal.wanted = frozenset(titles.split())
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            left.step()
        told.append([record.args[0] for record in caplog.records])
    assert told == [[], [], ["CHILD"], [], ["CHILD, SMALL"], [], [], ["CHILD"]]
