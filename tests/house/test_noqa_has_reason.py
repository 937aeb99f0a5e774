from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

NOQA = re.compile(r"#\s*noqa\b", re.IGNORECASE)
GOOD_NOQA = re.compile(r"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* - \w+.*\w{3}")
IGNORE = re.compile(r"#\s*(type:\s*ignore|mypy:)")
GOOD_IGNORE = re.compile(r"# type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  ?# (noqa: .+|\w+ \w+)")


def _bare(source: str) -> Iterator[str]:
    """Comments that silence a checker without naming code and reason."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text = token.string
        if NOQA.search(text) and not GOOD_NOQA.search(text):
            yield f"{token.start[0]}: {text}"
        if IGNORE.search(text) and not GOOD_IGNORE.search(text):
            yield f"{token.start[0]}: {text}"


def _bare_rules(pyproject: str) -> list[str]:
    """List the ignored rules in pyproject.toml without a reason behind them."""
    rule = re.compile(r'"(?!ALL)[A-Z]{1,4}\d*"\s*[,\]]')
    return [
        line for line in pyproject.splitlines() if rule.search(line) and not re.search(r"# .*\w{3}", line)
    ]


def _sources(root: Path) -> Iterator[Path]:
    for folder in ("service", "tests", "bench", "tools"):
        yield from (p for p in (root / folder).rglob("*.py") if "proto" not in p.parts)


def test_every_silenced_check_names_code_and_reason(root: Path) -> None:
    """Each noqa and each type: ignore carries the code it silences and a reason in words."""
    assert [
        f"{p.relative_to(root)}:{bare}" for p in _sources(root) for bare in _bare(p.read_text("utf-8"))
    ] == []


def test_every_ignored_rule_has_its_reason(root: Path) -> None:
    """Each rule that pyproject.toml ignores has a reason on its line."""
    assert _bare_rules((root / "pyproject.toml").read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = 1  # noqa", 1),
        ("x = 1  # noqa: E501", 1),
        ("x = 1  # NoQA: E501", 1),
        ("x = 1  # noqa: E501 - the table is wide", 0),
        ("x = 1  # type: ignore", 1),
        ("x = 1  # type: ignore[arg-type]", 1),
        ("x = 1  # type: ignore[arg-type]  # pydicom is untyped", 0),
        ("x = '# noqa'", 0),
    ],
)
def test_a_bare_silencer_is_noticed(line: str, found: int) -> None:
    """A silencer without code or reason is found; the same words in a text are not."""
    assert len(list(_bare(line + "\n"))) == found


def test_a_bare_rule_is_noticed() -> None:
    """A rule that is ignored without a word is found."""
    toml = 'ignore = [\n    "EM", # messages stand there\n    "ERA",\n]\n"bench/**" = ["T20"]\n'
    assert _bare_rules(toml) == ['    "ERA",', '"bench/**" = ["T20"]']
