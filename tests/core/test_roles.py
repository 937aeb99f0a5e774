"""Roles: the table names everything that is served, and what it says is kept."""

from itertools import product

import pytest
from grpc_health.v1.health import aio as health
from sites import sources
from starlette.routing import Mount, Route
from worklists import MemoryWorklist

from millet.core.roles import (
    ROUTES,
    RPCS,
    Open,
    Role,
    Verdict,
    Who,
    needed_by_rpc,
    route_of,
    series_in,
    verdict,
)
from millet.edge.grpc_api.server import Offered
from millet.edge.web import Stow
from millet.edge.web.application import application
from millet.edge.web.feed import Feed
from millet.proto.inference.grpc_service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)
from millet.proto.millet.v1 import analysis_service_pb2, picture_service_pb2, submission_service_pb2
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceServicer, CriteriaServiceServicer
from millet.proto.millet.v1.picture_service_pb2_grpc import PictureServiceServicer
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceServicer


class Register:
    """Keeps the names of the methods that are registered, as a server would."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def add_generic_rpc_handlers(self, handlers) -> None:
        """The older of the two ways, which some services use alone."""
        for handler in handlers:
            self.methods |= set(handler._method_handlers)

    def add_registered_method_handlers(self, service, handlers) -> None:
        """The newer one."""
        self.methods |= {f"/{service}/{method}" for method in handlers}


def methods() -> set[str]:
    """The full name of every method of every service that the server registers."""
    register = Register()
    mine = AnalysisServiceServicer(), CriteriaServiceServicer()
    ours = (*mine, SubmissionServiceServicer(), PictureServiceServicer())
    Offered(*ours, health.HealthServicer()).to(register)
    add_GRPCInferenceServiceServicer_to_server(GRPCInferenceServiceServicer(), register)  # on its own port
    return register.methods


def routes() -> set[str]:
    """The path of every route of the web application, as the table writes it."""
    given = sources(MemoryWorklist(), stow=Stow(source=dict, admit=dict, ended=dict, number=int))
    found = set()
    for route in application(given, Feed(given)).routes:
        assert isinstance(route, Route | Mount)
        found.add(route.path if isinstance(route, Route) else f"{route.path}/{{file}}")
    return found


def test_every_rpc_of_the_contract_has_its_role():
    """A method that somebody adds is refused to all, and found here, until it is in the table."""
    assert methods() == set(RPCS)


def test_every_rpc_of_the_contract_is_offered():
    """The whole descriptors are among them."""
    files = analysis_service_pb2, submission_service_pb2, picture_service_pb2
    services = [one for file in files for one in file.DESCRIPTOR.services_by_name.values()]
    assert methods() >= {f"/{one.full_name}/{method.name}" for one in services for method in one.methods}


def test_every_route_has_its_role():
    """A page that somebody adds is refused to all, and found here, until it is in the table."""
    assert routes() == set(ROUTES)


def test_patients_data_is_never_open():
    """Open are probes, health, what lies still, and the ways to sign in."""
    assert {route for route, role in ROUTES.items() if role is Open.TO_ALL} == {
        "/healthz",
        "/readyz",
        "/startupz",
        "/openapi.json",
        "/static/{file}",
        "/signin",
        "/signin/issuer",
        "/signin/back",
    }
    health = ("/grpc.health.", "/inference.GRPCInferenceService/Server")
    assert all(name.startswith(health) for name, role in RPCS.items() if role is Open.TO_ALL)


@pytest.mark.parametrize(("role", "needed"), list(product([None, *Role], [None, Open.TO_ALL, *Role])))
def test_a_role_may_what_those_below_it_may(role, needed):
    """Open to all; else somebody known, with enough; what is in no table nobody may."""
    who = role and Who(name="x", role=role)
    if needed is Open.TO_ALL or (role is not None and needed is not None and role >= needed):
        expected = Verdict.ALLOWED
    else:
        expected = Verdict.DENIED if role else Verdict.UNKNOWN
    assert verdict(who, needed) is expected


@pytest.mark.parametrize(
    ("path", "route", "series"),
    [
        ("/", "/", ""),
        ("/series/north/1.2.3", "/series/{site}/{series_uid}", "1.2.3"),
        ("/series/north/1.2.3/mip-axial.png", "/series/{site}/{series_uid}/{picture}", "1.2.3"),
        ("/static/millet.css", "/static/{file}", ""),
        ("/static/../metrics", "", ""),
        ("/static/", "", ""),
        ("//", "", ""),
        ("/healthz/", "", ""),
        ("/healthz/../series/north/1.2.3", "", ""),
        ("/metrics\n", "", ""),
        ("/series/north/1.2.3/acknowledge\n", "", ""),
        ("/series/north/1.2.3\n/found.json", "", ""),
        ("/admin", "", ""),
    ],
)
def test_a_path_is_of_one_route_or_of_none(path, route, series):
    """Nothing that looks like an open path is one."""
    assert route_of(path) == route
    assert series_in(path) == series


def test_an_rpc_that_is_in_no_table_needs_what_nobody_has():
    """Not even an admin may call it."""
    assert (
        verdict(Who(name="x", role=Role.ADMIN), needed_by_rpc("/millet.v1.Admin/DeleteAll")) is Verdict.DENIED
    )


def test_roles_are_read_as_they_are_written():
    """Other words are no roles."""
    assert [Role.parse(str(role)) for role in Role] == list(Role)
    with pytest.raises(ValueError, match="viewer, reader, ops, admin"):
        Role.parse("root")
