"""Other people's programs that judge DICOM objects; each skips, naming itself, where it is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

NOT_IN_TEMPLATE = re.compile(
    r'.*\(125007,DCM,"Measurement Group"\)/(CODE|TEXT) \([^/]*,99MILLET,[^/]*: Content Item not in template'
)
"""PixelMed's TID 1410 and 1411 are older than the qualitative evaluations in them (PS3.16 2024e)."""
PIXELMED = Path("/usr/share/java/pixelmed.jar")


def program(name: str) -> str:
    """The program, or a skip that names it."""
    if shutil.which(name) is None:
        pytest.skip(f"needs the program {name}")
    return name


def said(*command: str) -> tuple[int, str]:
    """Exit status and everything printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    return done.returncode, done.stdout + done.stderr


def assert_dciodvfy(path: Path) -> str:
    """Dciodvfy finds no error; what it printed."""
    code, printed = said(program("dciodvfy"), "-new", str(path))
    assert code == 0, f"{path.name}: {printed}"
    assert "Error" not in printed, f"{path.name}: {printed}"
    return printed


def assert_dsrdump(path: Path) -> str:
    """DCMTK prints the report without a complaint; what it printed."""
    command = [program("dsrdump"), str(path)]
    done = subprocess.run(command, capture_output=True, encoding="latin_1", check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def pixelmed(path: Path) -> str:
    """What PixelMed's validator of templates says; its exit status is always 0."""
    limits = [f"-Djdk.xml.xpath{limit}=0" for limit in ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit")]
    validator = [*limits, "-cp", str(PIXELMED), "com.pixelmed.validate.DicomSRValidator"]
    return said(program("java"), *validator, str(path))[1]


def assert_pixelmed(path: Path) -> None:
    """PixelMed finds nothing missing and nothing unknown in the templates. Half a minute."""
    if not PIXELMED.exists():
        pytest.skip("needs PixelMed's validator (libpixelmed-java)")
    printed = pixelmed(path)
    assert "Found Root Template TID_1500" in printed
    assert "IOD validation complete" in printed
    assert "Error" not in printed, printed
    warned = [line for line in printed.splitlines() if "Warning" in line]
    assert not [line for line in warned if not NOT_IN_TEMPLATE.match(line)], printed
