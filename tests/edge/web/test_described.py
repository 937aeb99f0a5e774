"""The HTTP interface is what its description says, whatever is asked: schemathesis on a running server."""

from __future__ import annotations

import json

import pytest
import schemathesis
import shown
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from sites import Site

from millet.core.roles import ROUTES
from millet.edge.web.described import DESCRIPTION, SERIES

STREAM = "/events"
"""Which does not end; asked in `test_feed`."""
OPERATIONS = [
    (path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods if path != STREAM
]
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


@pytest.fixture(scope="module")
def schema():
    """The description that a server with one series of every look gives of itself."""
    site = Site()
    shown.filled(site)
    site.start()
    yield schemathesis.openapi.from_url(f"{site.url}/openapi.json")
    site.stop()


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[" ".join(one) for one in OPERATIONS])
def test_every_answer_is_one_that_is_described(schema, path, method):
    """Status, kind and form of each; none is a fault of the server's."""

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def ask(case):
        case.call_and_validate(checks=list(CHECKS))

    ask()


@pytest.mark.parametrize(
    "path", [f"{SERIES}/found.json", f"{SERIES}/acknowledge", SERIES, f"{SERIES}/slices.json"]
)
def test_what_is_there_is_as_it_is_described(schema, path):
    """Random series are not there: these are."""
    case = schema[path]["get"].Case(path_parameters={"site": "default", "series_uid": "1.2.826.0.1.1"})
    case.call_and_validate(checks=list(CHECKS))


def test_every_route_is_described():
    """But for what lies still, what describes, and instances, which the Standard describes."""
    site = Site()
    site.start()
    paths = set(json.loads(site.get("/openapi.json").body)["paths"])
    site.stop()
    assert set(ROUTES) - paths == {"/openapi.json", "/static/{file}", "/studies", "/studies/{study_uid}"}
