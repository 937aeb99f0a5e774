"""The command line as a shell sees it: exit codes, one clear line on failure, what is written."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass

import ct
import pytest
from ports import free_port

from millet import cli
from millet.codec import tables
from millet.phantom import dicom, presets

FAILED, WRONG_USE, NOT_ANALYSED = 1, 2, 3
COLUMNS = ["x_mm", "y_mm", "z_mm", "diameter_mm", "class", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def millet(monkeypatch, capsys):
    """`millet ARGUMENTS` in this process, with these settings in its environment and no others."""

    def run(*arguments: object, **settings: str) -> Done:
        for name in [name for name in os.environ if name.startswith("MILLET_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(f"MILLET_{name.upper()}", value)
        monkeypatch.setattr(sys, "argv", ["millet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Done(returncode=int(ended.value.code or 0), stdout=said.out, stderr=said.err)

    return run


def shell(*arguments: object, **settings: str) -> Done:
    """The same as a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLET_")}
    environment |= {f"MILLET_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "millet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    return Done(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


def the_line(done: Done, status: int = FAILED) -> str:
    """The one clear line of a failure."""
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert lines[0].startswith("millet: ")
    return lines[0]


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    """A small chest with nodules, as a folder."""
    folder = tmp_path_factory.mktemp("chest") / "series"
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    dicom.write(presets.make("sparse", nodules=6, seed=5, scale=0.35, scan=scan), folder)
    return folder


def written(folder, datasets):
    """Data sets as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, encoded in enumerate(ct.files(datasets)):
        (folder / f"{len(list(folder.iterdir()))}-{number}.dcm").write_bytes(encoded)
    return folder


@pytest.fixture
def closed_port():
    """A loopback port that nobody listens on, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_an_analysed_series_exits_with_0_and_writes_everything(chest, tmp_path):
    """SR, SEG, record, tables with their columns, highest score first; candidates hold the nodules."""
    out = tmp_path / "out"
    done = shell("analyse", chest, "--out", out, "--candidates")
    assert done.returncode == 0, done.stderr
    expected = {"sr.dcm", "seg.dcm", "analysis.json", "nodules.csv", "candidates.csv"}
    assert expected <= {path.name for path in out.iterdir()}
    rows = list(csv.DictReader(io.StringIO((out / "nodules.csv").read_text())))
    candidates = list(csv.DictReader(io.StringIO((out / "candidates.csv").read_text())))
    assert list(rows[0]) == list(candidates[0]) == COLUMNS
    assert len(candidates) >= len(rows) == len(json.loads((out / "analysis.json").read_text())["nodules"])
    scores = [float(row["score"]) for row in candidates]
    assert scores == sorted(scores, reverse=True)


def test_a_series_that_is_not_analysed_exits_with_3_and_its_code(tmp_path, millet):
    """analysis.json holds the coded reason, nodules.csv its header alone, the SR says so too."""
    folder, out = written(tmp_path / "series", ct.series()[:16]), tmp_path / "out"
    done = millet("analyse", folder, "--out", out)
    assert done.returncode == NOT_ANALYSED
    found = json.loads((out / "analysis.json").read_text())
    assert found["outcome"] == "not-analysed"
    assert [remark["reason"] for remark in found["remarks"]] == ["too-few-slices"]
    assert (out / "nodules.csv").read_text().strip() == ",".join(COLUMNS)
    assert (out / "sr.dcm").exists()
    assert not (out / "seg.dcm").exists()
    assert "too-few-slices" in done.stdout


def test_an_identity_conflict_exits_with_3_and_writes_no_object(tmp_path, millet):
    """Nothing is written that would be filed under one of two patients."""
    datasets = ct.series()
    datasets[3].PatientID = "P2"
    out = tmp_path / "out"
    assert millet("analyse", written(tmp_path / "series", datasets), "--out", out).returncode == NOT_ANALYSED
    assert {path.name for path in out.iterdir()} == {"analysis.json", "nodules.csv"}


def test_a_missing_folder_is_one_line(tmp_path, millet):
    """The folder is named."""
    line = the_line(millet("analyse", tmp_path / "nowhere", "--out", tmp_path / "out"))
    assert f"{tmp_path / 'nowhere'} is no folder" in line


def test_an_empty_folder_is_one_line(tmp_path, millet):
    """A folder without a DICOM file, other files or not."""
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "readme.txt").write_text("nothing here")
    assert "no DICOM file" in the_line(millet("analyse", tmp_path / "series", "--out", tmp_path / "out"))


def test_two_series_in_one_folder_are_one_line(tmp_path, millet):
    """Their number is named, and nothing is written."""
    written(tmp_path / "series", ct.renamed(ct.series(), "one"))
    written(tmp_path / "series", ct.renamed(ct.series(), "two"))
    assert "2 series" in the_line(millet("analyse", tmp_path / "series", "--out", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written_is_one_line(tmp_path, millet):
    """A file where the folder should be: told before the analysis begins."""
    (tmp_path / "out").write_text("a file")
    folder = written(tmp_path / "series", ct.series()[:16])
    assert "out" in the_line(millet("analyse", folder, "--out", tmp_path / "out"))


def test_a_wrong_setting_is_one_line(tmp_path, millet):
    """The variable is named."""
    folder = written(tmp_path / "series", ct.series())
    done = millet("analyse", folder, "--out", tmp_path / "out", threads="many", no_such="1")
    line = the_line(done)
    assert "MILLET_THREADS" in line
    assert "MILLET_NO_SUCH" in line


def test_a_missing_option_is_wrong_use(tmp_path, millet):
    """Without --out nothing starts; the exit code is the one of wrong use."""
    assert millet("analyse", tmp_path).returncode == WRONG_USE


def test_sending_to_a_closed_port_is_one_line(chest, closed_port):
    """Nobody listens: a failure, in one line without a traceback."""
    assert "cannot be reached" in the_line(shell("send", chest, "--to", f"PACS@127.0.0.1:{closed_port}"))


@pytest.mark.parametrize("to", ["PACS", "PACS@host", "@host:1", "PACS@host:99999"])
def test_a_wrong_address_is_one_line(to, chest, millet):
    """What is no AET@HOST:PORT is told before anything is sent."""
    the_line(millet("send", chest, "--to", to))


def test_a_wrong_configuration_names_all_its_mistakes(tmp_path):
    """Three mistakes, all three named, and nothing started."""
    config = tmp_path / "millet.toml"
    config.write_text(
        f'state_dir = "{tmp_path / "state"}"\ndicom_port = 0\ndestination = "nowhere"\ncolour = "blue"\n'
    )
    line = the_line(shell("serve", "--config", config))
    assert all(name in line for name in ("dicom_port", "destination", "colour"))
    assert not (tmp_path / "state").exists()


def test_a_wrong_role_is_one_line(tmp_path, millet):
    """A part that does not exist."""
    assert "roles" in the_line(millet("serve", "--role", "receive,cook", state_dir=str(tmp_path)))


def test_a_port_that_is_taken_is_one_line(tmp_path):
    """The service does not start beside another one, and says why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = shell("serve", "--role", "receive", state_dir=str(tmp_path / "state"), dicom_port=port)
    assert done.returncode == FAILED
    assert "Traceback" not in done.stderr
    assert "in use" in done.stderr.splitlines()[-1]


def _free_ports() -> dict[str, str]:
    return {name: str(free_port()) for name in ("dicom_port", "grpc_port", "web_port")}


def test_a_doctor_finds_a_sound_machine_sound(tmp_path, millet):
    """Every check is well, the exit code 0."""
    done = millet("doctor", state_dir=str(tmp_path / "state"), spool_reserve_bytes="0", **_free_ports())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok ") == 13
    assert " ill " not in done.stdout


def test_a_doctor_names_what_is_ill(tmp_path, closed_port):
    """A port that is open to strangers and a destination that does not answer, by its name; nothing else."""
    gone = f'{{name = "gone", kind = "dicom", to = "PACS@127.0.0.1:{closed_port}", tls = false}}'
    settings = {
        "state_dir": str(tmp_path / "state"),
        "spool_reserve_bytes": "0",
        "destination": "folder",
        "destinations": f"[{gone}]",
        "host": "0.0.0.0",
        **_free_ports(),
    }
    done = shell("doctor", **settings)
    assert "2 of 13 checks failed" in the_line(done)
    assert "gone: the destination cannot be reached" in done.stdout
    assert "host 0.0.0.0 can be reached by others" in done.stdout


def test_the_models_that_come_along_are_what_they_were(millet):
    """`models verify` passes; `models list` names each whole, with its digest, on a narrow terminal too."""
    assert millet("models", "verify").returncode == 0
    listed = millet("models", "list").stdout
    assert re.search(r"log/1 .* [0-9a-f]{12} ", listed)
    assert re.search(r"millet/1 .* [0-9a-f]{12} ", listed)


def test_an_unknown_preset_is_refused(tmp_path, millet):
    """A preset that does not exist fails; nothing is left behind."""
    done = millet("phantom", tmp_path / "out", "--preset", "cases")
    assert done.returncode in {FAILED, WRONG_USE}
    assert not (tmp_path / "out").exists()


def test_the_second_simulator_is_asked_for_by_name(tmp_path, millet):
    """It writes a series and its truth; a third simulator is refused."""
    small = ("--preset", "sparse", "--scale", "0.3", "--seed", "1")
    done = millet("phantom", tmp_path / "out", *small, "--simulator", "second")
    assert done.returncode == 0
    assert len(tables.read((tmp_path / "out" / "truth.csv").read_text())) == 3
    done = millet("phantom", tmp_path / "other", *small, "--simulator", "third")
    assert done.returncode in {FAILED, WRONG_USE}


@pytest.mark.parametrize("command", ["serve", "send", "analyse", "evaluate", "phantom", "models", "doctor"])
def test_every_command_has_help(command, millet):
    """--help explains and exits with 0."""
    done = millet(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
