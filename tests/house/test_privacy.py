from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LOG_METHODS = frozenset(["debug", "info", "warning", "error", "exception", "critical"])
ATTRIBUTES = frozenset(
    [
        "patient",
        "patient_name",
        "patient_id",
        "patientname",
        "patientid",
        "birth_date",
        "birthdate",
        "patientbirthdate",
        "sex",
        "patientsex",
        "issuer",
        "issuer_of_patient_id",
        "accession",
        "accession_number",
        "accessionnumber",
    ]
)
"""Names of what identifies a person. A series goes into a log as a hash."""
HOLDERS = frozenset(["dataset", "ds", "header", "headers", "identity"])
"""Values that hold such attributes; a log may name a field of theirs, not the whole value."""


def _private(name: str, *, whole: bool) -> bool:
    return name in ATTRIBUTES or (whole and name in HOLDERS)


def _mentions(node: ast.AST) -> Iterator[str]:
    """Names of patients' attributes, and of whole values that hold them, in an expression."""
    parts = list(ast.walk(node))
    taken_apart = {id(part.value) for part in parts if isinstance(part, ast.Attribute)}
    for part in parts:
        if isinstance(part, ast.Attribute) and part.attr.lower() in ATTRIBUTES:
            yield part.attr
        if isinstance(part, ast.Name) and _private(part.id.lower(), whole=id(part) not in taken_apart):
            yield part.id


def _spoken(node: ast.AST) -> list[ast.expr]:
    """List what a log call or a raised error puts into words."""
    match node:
        case ast.Call(func=ast.Attribute(attr=method), args=args, keywords=words) if method in LOG_METHODS:
            return [*args, *(word.value for word in words)]
        case ast.Raise(exc=ast.Call(args=args)):
            return [part for arg in args for part in ast.walk(arg) if isinstance(part, ast.FormattedValue)]
    return []


def _leaks(source: str) -> list[str]:
    """List the lines that put something of a patient's into a log or an error."""
    said = [
        (node, name) for node in ast.walk(ast.parse(source)) for e in _spoken(node) for name in _mentions(e)
    ]
    return sorted({f"{node.lineno}: {name}" for node, name in said if isinstance(node, ast.Call | ast.Raise)})


def test_no_patient_data_in_logs_or_errors(package: Path) -> None:
    """No log call and no error message in the service formats a patient's attribute."""
    files = [p for p in package.rglob("*.py") if "proto" not in p.parts]
    assert [f"{p.relative_to(package)}:{leak}" for p in files for leak in _leaks(p.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("log.info('from %s', patient_name)", 1),
        ("log.info('from %s', dataset.PatientID)", 1),
        ("log.info(f'{header.issuer}')", 1),
        ("log.warning('bad', extra={'who': header.patient_id})", 1),
        ("log.error('%r', header)", 1),
        ("self._log.exception('%s', str(ds))", 1),
        ("raise StoreError(f'no row for {patient_id}')", 1),
        ("raise StoreError('no such patient')", 0),
        ("log.info('slice %d', header.instance_number)", 0),
        ("log.info('patient data is never shown')", 0),
        ("show(patient_name)", 0),
    ],
)
def test_a_leak_is_noticed(line: str, found: int) -> None:
    """A patient's attribute in a log call or an error is found; other uses are not."""
    assert len(_leaks(line)) == found
