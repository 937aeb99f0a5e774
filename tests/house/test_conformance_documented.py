from __future__ import annotations

import re
from pathlib import Path

import pytest

from millet.codec import codes
from millet.codec.chest_cad import CHEST_CAD_SR
from millet.codec.gsps import PRESENTATION_STATE
from millet.codec.key_images import KEY_OBJECT_SELECTION
from millet.codec.labelmap import LABEL_MAP_SEGMENTATION
from millet.codec.pixels import TRANSFER_SYNTAXES
from millet.codec.secondary import TRUE_COLOR_CAPTURE
from millet.codec.seg import SEGMENTATION
from millet.codec.sr import COMPREHENSIVE_3D_SR
from millet.codec.sr_region import Flaw
from millet.codec.summary_sr import COMPREHENSIVE_SR
from millet.codec.workitem import UPS_PULL, UPS_PUSH
from millet.core.assembler import REPORTS
from millet.core.commitment import PUSH_MODEL
from millet.edge.query import dimse
from millet.edge.scp import negotiation, server, storing
from millet.flow import reception


@pytest.fixture(scope="module")
def rows(root: Path) -> list[str]:
    """Read the rows of the statement's tables."""
    page = (root / "docs/reference/dicom-conformance.md").read_text("utf-8")
    return [line for line in page.splitlines() if line.startswith("| ")]


def test_the_statement_names_what_is_decoded_and_stored(rows: list[str]) -> None:
    """The UIDs of the statement's tables are those of the code: no class and no syntax more or less."""
    named = {uid for row in rows for uid in re.findall(r"\| (1\.2\.840\.10008\.[\d.]+) \|", row)}
    context = "1.2.840.10008.3.1.1.1"
    sent = {
        SEGMENTATION,
        CHEST_CAD_SR,
        COMPREHENSIVE_3D_SR,
        COMPREHENSIVE_SR,
        LABEL_MAP_SEGMENTATION,
        PRESENTATION_STATE,
        KEY_OBJECT_SELECTION,
        TRUE_COLOR_CAPTURE,
    }
    worklist = {UPS_PUSH, UPS_PULL}
    services = {negotiation.VERIFICATION, PUSH_MODEL, dimse.FIND, dimse.MOVE, dimse.GET, *worklist}
    assert named - {context} == {*TRANSFER_SYNTAXES, *reception.CT_CLASSES, *REPORTS, *sent, *services}


@pytest.mark.parametrize(
    "status",
    [
        storing.SUCCESS,
        storing.PROCESSING_FAILURE,
        reception.SOP_CLASS_NOT_SUPPORTED,
        reception.OUT_OF_RESOURCES,
        reception.CANNOT_UNDERSTAND,
    ],
)
def test_the_statement_explains_each_status(rows: list[str], status: int) -> None:
    """Each status that a sender may see has its row."""
    assert any(row.startswith(f"| 0x{status:04X} |") for row in rows)


def test_the_statement_gives_the_limits_of_associations(rows: list[str]) -> None:
    """PDU size and number of associations are those of the code."""
    text = "\n".join(rows)
    assert f"{negotiation.LONGEST_PDU_BYTES:,} bytes" in text
    assert f"| Connections at once | {server.MOST_CONNECTIONS} |" in text


def test_every_private_code_is_documented(root: Path) -> None:
    """The page of codes lists our coding scheme in its order: none more, none less."""
    page = (root / "docs/reference/report-codes.md").read_text("utf-8")
    listed = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(code.value, code.meaning) for code in codes.PRIVATE]


@pytest.mark.parametrize("flaw", Flaw)
def test_every_flaw_of_a_report_that_is_read_is_documented(root: Path, flaw: Flaw) -> None:
    """Each code that may stand beside a lesion of somebody's report."""
    assert f"`{flaw.value}`" in (root / "docs/reference/dicom-conformance.md").read_text("utf-8")
