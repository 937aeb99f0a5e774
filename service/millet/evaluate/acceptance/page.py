"""The report of an acceptance as a page: one file that a person reads, prints and signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet.evaluate.acceptance import markup, svg, words
from millet.evaluate.acceptance.groups import FEWEST, Group, analysed, judged
from millet.evaluate.acceptance.predictive import npv_at, ppv_at
from millet.evaluate.acceptance.report import STATEMENTS, Report
from millet.evaluate.acceptance.summary import Held, Summary

FEW = f"* fewer than {FEWEST} studies were analysed: nothing can be concluded of it."


def page(report: Report, fingerprint: str) -> str:
    """The page; `fingerprint` is that of the key which signs.

    The same report makes the same page.
    """
    run = report.run
    day = f"{run.created_utc:%Y-%m-%d %H:%M} UTC"
    title = f"Acceptance of Millet at {run.site}"
    return markup.page(
        title,
        (
            markup.heading(title, 1),
            markup.paragraph(f"{day}, Millet {report.in_place.software_version}", "faint"),
            *(markup.paragraph(words) for words in STATEMENTS[:2]),
            markup.listed(report.caveats, "box"),
            *_studies(report.summary),
            *_groups(report.summary),
            *_truth(report.summary),
            *_run(report),
            *_in_place(report, fingerprint),
        ),
    )


def _studies(summary: Summary) -> Iterator[str]:
    asked = summary.asked
    yield markup.cards(
        (
            ("studies", str(len(summary.cases)), ", ".join(words.size(summary)[1:])),
            ("analysed", words.percent(summary.analysed), words.ends(summary.analysed)),
            (
                f"raise an alert ({asked.alert} or higher)",
                words.percent(summary.alerts),
                words.ends(summary.alerts),
            ),
            (
                "seconds a study, median",
                f"{summary.seconds.median:.0f}",
                f"longest {summary.seconds.longest:.0f}",
            ),
        )
    )
    yield markup.heading("How many alerts")
    rows = [svg.Row(name=level.value, share=one) for level, one in summary.levels.items()]
    yield svg.shares("share of the analysed studies of each level", rows)
    yield markup.table(
        "levels of the analysed studies", ("level", "share", "95 % interval", "n"), words.level_rows(summary)
    )
    yield markup.table(
        "of this level or higher",
        ("level", "share", "95 % interval", "n"),
        [(one.value, words.percent(e), words.ends(e), str(e.n)) for one, e in summary.from_level.items()],
    )
    yield markup.paragraph(_noted(summary))
    yield markup.heading("What was not analysed, and why")
    if not summary.series_by_reason:
        yield markup.paragraph("Every series was analysed.")
    yield markup.table(
        "reasons for not analysing", ("reason", "studies", "series"), words.reason_rows(summary)
    )
    yield markup.table(
        "analysed outside the validated use",
        ("reason", "studies"),
        [(code, str(count)) for code, count in summary.outside_use.items()],
    )


def _noted(summary: Summary) -> str:
    """What stands beside the levels, in words."""
    told = []
    if summary.decided_elsewhere:
        told.append(
            f"{summary.decided_elsewhere} studies raise their alert for another than their best series."
        )
    if summary.unreliable:
        told.append(f"In {summary.unreliable} studies the number of nodules is not to be relied on.")
    return " ".join(told)


def _groups(summary: Summary) -> Iterator[str]:
    sorts: tuple[tuple[str, Sequence[Group]], ...] = (
        ("scanner", summary.by_scanner),
        ("kernel", summary.by_kernel),
        ("slice thickness", summary.by_thickness),
    )
    yield markup.heading("By scanner, kernel and slice thickness")
    few = any(one.few for _, groups in sorts for one in groups)
    for what, groups in sorts:
        yield markup.heading(f"By {what}", 3)
        rows = [svg.Row(name=one.name, share=one.alerts, note=f"of {one.analysed}") for one in groups]
        yield svg.shares(f"share of the analysed studies that raise an alert, by {what}", rows)
        yield markup.table(f"by {what}", words.group_head(what, summary), words.group_rows(groups, summary))
    yield markup.paragraph(FEW if few else "", "faint")


def _truth(summary: Summary) -> Iterator[str]:
    if (held := summary.held) is None:
        return
    yield markup.heading("Against the truth of the site")
    yield markup.paragraph(f"The site says of {held.studies} studies what is true of them.")
    yield _confusion(held)
    yield markup.table("against the truth", words.ACCURACY_HEAD, words.accuracy_rows(held))
    yield markup.paragraph(words.in_practice(held.accuracy))
    yield _curves(summary)
    yield markup.heading("Disagreements")
    if not held.disagreements:
        yield markup.paragraph("None.")
    yield markup.table(
        "studies of which service and site say different things",
        ("study", "digest", "Millet", "why", "the site"),
        [
            (str(one.number), words.of_digest(one.digest), one.sort.value, one.said, one.told)
            for one in held.disagreements
        ],
    )


def _confusion(held: Held) -> str:
    seen = held.accuracy.confusion
    return markup.table(
        "analysed studies",
        ("", "site: positive", "site: negative"),
        (
            ("alert", str(seen.true_alerts), str(seen.false_alerts)),
            ("no alert", str(seen.missed), str(seen.true_silences)),
        ),
    )


def _curves(summary: Summary) -> str:
    known = judged(analysed(case for case in summary.cases if case.told is not None), summary.asked)
    ppv = tuple(ppv_at(known, at) for at in svg.steps())
    npv = tuple(npv_at(known, at) for at in svg.steps())
    curves = (
        svg.Curve(name="PPV", colour=svg.BLUE, dashed=False, values=ppv),
        svg.Curve(name="NPV", colour=svg.ORANGE, dashed=True, values=npv),
    )
    return svg.over_prevalence("PPV and NPV over prevalence", curves, summary.asked.prevalence)


def _run(report: Report) -> Iterator[str]:
    run, seconds = report.run, report.summary.seconds
    yield markup.heading("How it was run")
    yield markup.listed(STATEMENTS[2:])
    alike = f"{run.repeated_alike} of {run.repeated}" if run.repeated else "none was repeated"
    yield markup.table(
        "the run",
        ("", ""),
        (
            *((name, str(count)) for name, count in run.files.items()),
            ("studies without anything that is taken", str(run.studies_not_taken)),
            ("series taken for complete by", _counts(report.summary)),
            (
                "seconds a study: median, nine in ten, longest",
                _seconds(seconds.median, seconds.nine_in_ten, seconds.longest),
            ),
            ("series at once, processors", f"{run.jobs}, {run.processors}"),
            ("series analysed twice with the same result", alike),
        ),
    )


def _counts(summary: Summary) -> str:
    return ", ".join(f"{name} {count}" for name, count in summary.closed_by.items())


def _seconds(*each: float) -> str:
    return ", ".join(f"{value:.1f}" for value in each)


def _in_place(report: Report, fingerprint: str) -> Iterator[str]:
    found, run = report.in_place, report.run
    yield markup.heading("What it holds for")
    yield markup.paragraph(
        "It holds for this model and this configuration alone. The digests of both stand in every report "
        "that Millet sends, so that each can be held against this page."
    )
    second = f"{found.second_reader}, {found.second_reader_digest}" if found.second_reader else "none"
    yield markup.table(
        "in use",
        ("", ""),
        (
            ("model", f"{found.model}, {found.precision}, {found.provider}"),
            ("model digest", found.model_digest),
            ("second reader", second),
            *((f"criteria {one.name}", one.digest) for one in found.criteria),
            ("language of reports", found.language),
            ("configuration digest", found.configuration_digest),
            ("digest of all settings, secrets left out", found.settings_digest),
            ("digest of the cases", run.cases_digest),
            ("digest of the results", run.results_digest),
            ("signed with the key", fingerprint),
        ),
    )
    yield markup.paragraph(
        "millet accept --verify acceptance.json tells whether all of it still is so.", "faint"
    )
    yield markup.signing(("head of radiology", "medical physicist"))
