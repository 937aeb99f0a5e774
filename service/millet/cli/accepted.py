"""An acceptance on the screen and on disk: what may be shown, and what stays on this machine."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from millet.cli.cases import replace
from millet.edge import signing
from millet.evaluate.acceptance import words
from millet.evaluate.acceptance.page import page
from millet.evaluate.acceptance.report import Report, canonical, document

if TYPE_CHECKING:
    from millet.cli.accept import Ran

DOCUMENT, PAGE = "acceptance.json", "acceptance.html"
CASES, LEFT_OUT, UNKNOWN = "cases.csv", "left-out.csv", "unknown.csv"
"""Of this machine alone: which study is which, what was not read, what the truth names beside the cases."""
NEWLINES = ("\r", "\n")


def faulty(failure: Exception) -> None:
    """Tell that an attempt failed, by the kind of failure alone: a message might quote what it ran into."""
    told = f"one attempt at a series failed: {type(failure).__name__}"
    Console(stderr=True).print(told, style="red", markup=False)


def write(out: Path, report: Report, ran: Ran, key: signing.SigningKey) -> None:
    """The signed report and its page; and for this machine alone, with mode 0600, which study is which."""
    shown = page(report, signing.fingerprint(key.public_key)).encode()
    signed = {"report": document(report), "page_sha256": sha256(shown).hexdigest()}
    signature = key.sign(canonical(signed))
    whole = {
        "signed": signed,
        "signature": {"algorithm": signing.ALGORITHM, **signature._asdict()},
    }
    _keep_private(out / CASES, ("study", "digest", "study_uid", "accession", "folder"), _cases(ran))
    _keep_private(out / LEFT_OUT, ("path", "reason"), _left_out(ran))
    _keep_private(out / UNKNOWN, ("named in the truth",), ((name,) for name in ran.unknown))
    replace(out / PAGE, shown)
    replace(out / DOCUMENT, (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode())


def _cases(ran: Ran) -> Iterable[Sequence[str]]:
    grouped = ran.below.studies()
    for case in ran.cases:
        uid = ran.uids[case.number]
        series = grouped[uid]
        accession = next((one.accession for one in series if one.accession), "")
        yield str(case.number), case.study.digest, uid, accession, str(series[0].files[0].parent)


def _left_out(ran: Ran) -> Iterable[Sequence[str]]:
    yield from ((str(path), reason) for path, reason in ran.below.left_out.items())
    yield from ((str(path), "not read to its end") for path in sorted(ran.lost))


def _keep_private(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text.getvalue())
    temporary.replace(path)


def show(console: Console, report: Report, out: Path) -> None:
    """The figures of a report."""
    summary, used = report.summary, report.in_place
    _say(console, ", ".join(words.size(summary)))
    _say(console, f"analysed: {words.share(summary.analysed)}")
    _say(console, f"raise an alert, {summary.asked.alert} or higher: {words.share(summary.alerts)}")
    for name, count in report.run.files.items():
        _say(console, f"{name}: {count}")
    console.print(_table("levels", ("level", "share", "95 % interval", "n"), words.level_rows(summary)))
    _optional(console, "not analysed", ("reason", "studies", "series"), words.reason_rows(summary))
    for what, groups in (
        ("scanner", summary.by_scanner),
        ("kernel", summary.by_kernel),
        ("slice thickness", summary.by_thickness),
    ):
        console.print(
            _table(f"by {what}", words.group_head(what, summary), words.group_rows(groups, summary))
        )
    if held := summary.held:
        console.print(_table("against the truth", words.ACCURACY_HEAD, words.accuracy_rows(held)))
        _say(console, words.in_practice(held.accuracy))
        told = [
            (str(one.number), one.sort.value, one.said, one.told, words.of_digest(one.digest))
            for one in held.disagreements
        ]
        _optional(console, "disagreements", ("study", "Millet", "why", "the site", "digest"), told)
    seconds = summary.seconds
    _say(console, f"seconds a study: median {seconds.median:.1f}, longest {seconds.longest:.1f}")
    if report.run.repeated:
        _say(console, f"analysed twice alike: {report.run.repeated_alike} of {report.run.repeated}")
    for caveat in report.caveats:
        console.print(f"! {caveat}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    _say(console, f"model {used.model}, digest {used.model_digest}")
    _say(console, f"configuration digest {used.configuration_digest}")
    _say(console, f"written to {out}: {DOCUMENT}, {PAGE}; and {CASES}, which stays here")


def _optional(console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    made = _table(title, head, rows)
    if made.row_count:
        console.print(made)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    return table


def _say(console: Console, words: str) -> None:
    if words:
        console.print(words, markup=False, highlight=False, soft_wrap=True)
