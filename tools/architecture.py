"""Draw docs/architecture.svg: the parts of the service, what lies between them, and which module does what.

Text over a ground of its own in two colour schemes, so that it can be read on a light page and on a dark one.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, HEIGHT = 1140, 668


@dataclass(frozen=True)
class Step:
    """A module below `service/millet/`, none for what is outside, and what it does there."""

    module: str
    words: str = ""


@dataclass(frozen=True)
class Box:
    """A part of the service, a store or somebody outside, as `kind` says; pixels from left and top."""

    kind: str
    title: str
    x: int
    y: int
    width: int
    height: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Arrow:
    """Along straight lines from the first point to the last; its words begin at a point of their own."""

    points: tuple[tuple[int, int], ...]
    words: str = ""
    at: tuple[int, int] = (0, 0)


RECEIVE = (
    Step("edge/scp", "associations, C-STORE"),
    Step("flow/reception", "checked, durable, then success"),
    Step("flow/indexer", "the spool is read on"),
    Step("flow/intake", "rows, many in one transaction"),
    Step("core/assembler", "is the stack whole?"),
)
ANALYSE = (
    Step("flow/streaming", "a series, worked on while it arrives"),
    Step("edge/decoding", "pixels, in processes of their own"),
    Step("flow/batcher", "windows, one queue a device"),
    Step("edge/openvino", "CPU"),
    Step("edge/onnx_runtime", "CUDA, TensorRT"),
    Step("edge/kserve", "or another machine"),
    Step("flow/work", "a claimed generation, to its end"),
    Step("flow/detect", "candidates in the lungs"),
    Step("flow/judging", "pattern, criteria, guidelines, triage"),
    Step("flow/objects", "SR, SEG, pictures, FHIR, HL7"),
)
DELIVER = (
    Step("flow/outbox", "one a destination, tried for days"),
    Step("flow/notify", "who must hear of a study"),
    Step("edge/destinations", "DICOM, DICOMweb, HTTP, HL7"),
)
API = (
    Step("edge/grpc_api", "lists, watches, acknowledging"),
    Step("edge/web", "the triage page, STOW-RS"),
    Step("edge/telemetry", "metrics, logs, traces"),
    Step("edge/audit", "who saw what"),
)
SPOOL = (Step("edge/store/spool", "segments in folders,"), Step("edge/store/bucket_spool", "or a bucket"))
JOURNAL = (
    Step("edge/journal", "SQLite or PostgreSQL: series,"),
    Step("", "analyses, deliveries, durable work"),
)
OBJECTS = (
    Step("edge/store/objects", "named by their SHA-256,"),
    Step("edge/store/bucket_objects", "or in a bucket"),
)
BOXES = (
    Box("outside", "CT, PACS", 14, 96, 136, 56, (Step("", "send series"),)),
    Box("outside", "archives", 14, 226, 136, 76, (Step("edge/query", "priors, lost slices"),)),
    Box("part", "receive", 190, 40, 226, 400, RECEIVE),
    Box("part", "analyse", 448, 40, 256, 400, ANALYSE),
    Box("part", "deliver", 736, 40, 226, 160, DELIVER),
    Box("part", "api", 736, 226, 226, 214, API),
    Box("outside", "archives", 998, 52, 128, 56, (Step("", "keep reports"),)),
    Box("outside", "people", 998, 130, 128, 56, (Step("", "are notified"),)),
    Box("outside", "viewers", 998, 248, 128, 56, (Step("", "ask, acknowledge"),)),
    Box("outside", "Prometheus", 998, 340, 128, 56, (Step("", "watches"),)),
    Box("store", "spool", 190, 540, 226, 114, SPOOL),
    Box("store", "journal", 448, 540, 256, 114, JOURNAL),
    Box("store", "objects", 736, 540, 226, 114, OBJECTS),
)
ARROWS = (
    Arrow(((150, 124), (190, 124))),
    Arrow(((150, 264), (190, 264))),
    Arrow(((230, 440), (230, 540)), "bytes, flushed", (238, 462)),
    Arrow(((360, 440), (360, 494), (476, 494), (476, 540)), "rows", (368, 488)),
    Arrow(((400, 540), (400, 516), (520, 516), (520, 440)), "slices", (406, 532)),
    Arrow(((560, 440), (560, 540)), "analysis and", (568, 474)),
    Arrow((), "deliveries, at once", (568, 490)),
    Arrow(((690, 440), (690, 526), (776, 526), (776, 540)), "reports, masks", (744, 520)),
    Arrow(((704, 560), (722, 560), (722, 130), (736, 130))),
    Arrow(((722, 330), (736, 330)), "what is due, what is new", (744, 462)),
    Arrow(((920, 540), (920, 440)), "read, sent", (928, 500)),
    Arrow(((962, 80), (998, 80))),
    Arrow(((962, 158), (998, 158))),
    Arrow(((962, 276), (998, 276))),
    Arrow(((962, 368), (998, 368))),
)
STYLE = """
text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1b2430 }
.title { font-weight: 700; font-size: 15px }
.module { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #0b4f8a }
.words { font-size: 12px; fill: #45505e }
.ground { fill: #f7f8fa }
.part { fill: #ffffff; stroke: #2b6cb0; stroke-width: 2 }
.store { fill: #eef4ea; stroke: #4a7c3a; stroke-width: 2 }
.outside { fill: none; stroke: #77818d; stroke-dasharray: 5 4 }
path { fill: none; stroke: #45505e; stroke-width: 1.6 }
marker path { fill: #45505e; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e8edf3 }
  .module { fill: #8cc4ff }
  .words { fill: #b4bfcc }
  .ground { fill: #12171d }
  .part { fill: #1a222c; stroke: #6aa9e9 }
  .store { fill: #1b261b; stroke: #86bd74 }
  .outside { stroke: #8b96a3 }
  path { stroke: #b4bfcc }
  marker path { fill: #b4bfcc }
}
"""
HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker>'
)


def modules() -> list[str]:
    """Every module that the picture names."""
    return [step.module for box in BOXES for step in box.steps if step.module]


def picture() -> str:
    """The whole picture as SVG."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" {_size(WIDTH, HEIGHT)}'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        '<title id="title">Millet: the parts of the service, its stores, and who is outside</title>',
        f"<style>{STYLE}</style><defs>{HEAD}</defs>",
        f'<rect class="ground" {_size(WIDTH, HEIGHT)} rx="10"/>',
        *(line for box in BOXES for line in _box(box)),
        *(line for arrow in ARROWS for line in _arrow(arrow)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _size(width: int, height: int) -> str:
    return f'width="{width}" height="{height}"'


def _box(box: Box) -> list[str]:
    lines = [
        f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" {_size(box.width, box.height)} rx="8"/>',
        _text("title", box.x + 12, box.y + 24, box.title),
    ]
    y = box.y + 26
    for step in box.steps:
        for kind, words in (("module", step.module), ("words", step.words)):
            if words:
                y += 17
                lines.append(_text(kind, box.x + 12, y, words))
        y += 2
    return lines


def _arrow(arrow: Arrow) -> list[str]:
    way = "L".join(f"{x} {y}" for x, y in arrow.points)
    drawn = [f'<path d="M{way}" marker-end="url(#head)"/>'] if way else []
    return [*drawn, _text("words", *arrow.at, arrow.words)] if arrow.words else drawn


def _text(kind: str, x: int, y: int, words: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
