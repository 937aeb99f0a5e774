from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from house.layers import cycle, violations


def test_every_import_follows_the_table(package: Path) -> None:
    """No module imports a layer or a package that its own layer may not know."""
    assert violations(package) == []


def test_no_modules_import_each_other(package: Path) -> None:
    """Imports go downwards: no ring of modules needs one another to load."""
    assert cycle(package) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/series.py", "import pydicom"),
        ("core/series.py", "import time"),
        ("core/series.py", "from pathlib import Path"),
        ("core/series.py", "from millet.ports import Clock"),
        ("core/series.py", "from millet import settings"),
        ("core/series.py", "from . import volume"),
        ("core/series.py", "import datetime\nSTART = datetime.datetime.now()"),
        ("core/series.py", "from datetime import datetime\nSTART = datetime.now()"),
        ("codec/new.py", "import sqlite3"),
        ("codec/new.py", "import pynetdicom"),
        ("codec/new.py", "def later():\n    from millet.edge import scp"),
        ("flow/new.py", "from millet.edge import scp"),
        ("flow/new.py", "import sqlalchemy"),
        ("flow/new.py", "from millet.proto.millet.v1 import analysis_pb2"),
        ("edge/new.py", "from millet.flow import intake"),
        ("edge/new.py", "import millet.flow.intake"),
        ("edge/new.py", "from millet.edge import scu"),
        ("edge/new.py", "from millet.edge.destinations import StorageScu"),
        ("edge/new.py", "from millet.settings import Settings"),
        ("edge/new.py", "from millet.proto.millet.v1 import analysis_pb2"),
        ("app.py", "from millet.phantom import anatomy"),
        ("phantom/second/new.py", "from millet.phantom import vessels"),
        ("phantom/second/new.py", "from millet.phantom.nodules import Sphere"),
        ("phantom/new.py", "from millet.phantom.second import fields"),
        ("flow/new.py", "from millet.train import net"),
        ("edge/new.py", "from millet.evaluate import froc"),
        ("settings/settings.py", "from millet.core import series"),
        ("errors.py", "import numpy"),
        ("helpers/new.py", "import math"),
    ],
)
def test_a_forbidden_import_is_noticed(tmp_path: Path, module: str, line: str) -> None:
    """Each forbidden import is one fault, and names the module."""
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{line}\n", "utf-8")
    (fault,) = violations(tmp_path)
    assert fault.startswith(module.removesuffix(".py").replace("/", "."))


def test_a_forbidden_import_added_to_the_package_fails_the_check(package: Path, tmp_path: Path) -> None:
    """The test of the test: a copy of the package with one forbidden line more has one fault more."""
    copy = tmp_path / "millet"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "core" / "series.py").open("a", encoding="utf-8") as file:
        file.write("\nimport pydicom\n")
    (fault,) = set(violations(copy)) - set(violations(package))
    assert fault.startswith("core.series:")
    assert "pydicom" in fault


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("edge/new.py", "from millet.edge import telemetry"),
        ("edge/new.py", "from millet.errors import StoreError"),
        ("edge/journal/new.py", "from millet.edge.journal import tables"),
        ("codec/new.py", "from millet.proto.millet.v1 import analysis_pb2"),
        ("cli.py", "from millet.phantom import anatomy"),
        ("phantom/second/new.py", "from millet.phantom.spec import Scan"),
        ("phantom/second/new.py", "from millet.phantom.second import fields"),
        ("phantom/new.py", "from millet.phantom import spec"),
    ],
)
def test_an_allowed_import_stays_allowed(tmp_path: Path, module: str, line: str) -> None:
    """The check does not cry wolf about what the table allows."""
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{line}\n", "utf-8")
    assert violations(tmp_path) == []


def test_a_ring_is_noticed(tmp_path: Path) -> None:
    """Two modules that import each other are named."""
    core = tmp_path / "core"
    core.mkdir()
    (core / "a.py").write_text("from millet.core import b\n", "utf-8")
    (core / "b.py").write_text("from millet.core.a import x\n", "utf-8")
    assert set(cycle(tmp_path)) == {"core.a", "core.b"}
