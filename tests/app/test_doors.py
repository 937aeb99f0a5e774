"""The doors of a whole process: real DICOM, gRPC and HTTP, with what is told of each caller."""

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from http.cookiejar import CookieJar

import grpc
import pytest
from certificates import Authority, put
from instances import ct_file
from ports import free_port
from prometheus_client import CollectorRegistry

from millet.app.doors import Doors, check, exposure, hosts
from millet.app.gate import api_gate
from millet.app.service import Service
from millet.core.doors import Caller, Why
from millet.core.roles import Role, Verdict
from millet.edge.telemetry import DoorMetrics
from millet.edge.tls import client_context
from millet.errors import SettingsError
from millet.ports import Ask, Shown
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import submission_service_pb2 as submission
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub
from millet.settings import Settings
from millet.settings.called import CalledSection
from millet.settings.peers import PeerSection

HERE = PeerSection(ae_title="CT1", addresses=("127.0.0.0/8",))


class House:
    """A process that receives and answers, on free ports."""

    def __init__(self, folder, **settings) -> None:
        self.settings = Settings(
            state_dir=folder / "state",
            roles=("receive", "api"),
            dicom_port=free_port(),
            grpc_port=free_port(),
            web_port=free_port(),
            spool_reserve_bytes=0,
            **settings,
        )
        self.service = Service(self.settings)

    @contextmanager
    def open(self):
        """Everything runs; everything is stopped afterwards."""
        parts = self.service.parts()
        for part in parts:
            part.start()
        try:
            yield self
        finally:
            for part in reversed(parts):
                part.stop(5.0)

    def dcmtk(self, program, *arguments) -> subprocess.CompletedProcess:
        """Run a program of DCMTK against the DICOM port."""
        command = [shutil.which(program), *arguments, "127.0.0.1", str(self.settings.dicom_port)]
        if program == "storescu":
            command.append(str(self.settings.state_dir.parent / "one.dcm"))
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def get(self, path, context=None, token="", forwarded="") -> tuple[int, str]:
        """A page."""
        scheme = "https" if context else "http"
        url = f"{scheme}://127.0.0.1:{self.settings.web_port}{path}"
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= {"x-forwarded-for": forwarded} if forwarded else {}
        try:
            asked = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(asked, timeout=20, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def trail(self) -> list[dict]:
        """The lines of the audit trail."""
        files = sorted((self.settings.audit_dir or self.settings.state_dir / "audit").glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]


@pytest.fixture
def authority(tmp_path):
    """A hospital's own authority."""
    return Authority(tmp_path / "hospital")


def tls_settings(authority: Authority) -> dict:
    """Settings for the server's TLS."""
    pair = authority.issue("millet")
    return {"tls_certificate": pair.certificate, "tls_key": pair.key, "tls_roots": authority.roots}


def test_only_named_peers_come_in_and_each_refusal_is_told_three_times(tmp_path, caplog):
    """In words in the log, in a metric, and in the audit trail; with the reason of the standard."""
    with House(tmp_path, peer=(HERE,)).open() as house:
        assert house.dcmtk("echoscu", "-aet", "CT1").returncode == 0
        refused = house.dcmtk("echoscu", "-v", "-aet", "CT2")
        assert refused.returncode != 0
        assert "Calling AE Title Not Recognized" in refused.stdout + refused.stderr
        metrics = house.get("/metrics")[1]
    assert 'millet_dicom_associations_refused_total{reason="calling-title"} 1.0' in metrics
    assert 'millet_dicom_associations_total{peer="known",result="accepted"} 1.0' in metrics
    (line,) = [one for one in caplog.records if one.getMessage().startswith("association refused")]
    assert "no peer with the AE title 'CT2' is configured" in line.getMessage()
    assert (line.by, line.address) == ("CT2", "127.0.0.1")
    told = [(line["meaning"], line["outcome"], line["who"], line["what"]) for line in house.trail()]
    assert told[0][0] == "Application Start"
    assert told[1:3] == [
        ("Begin Transferring DICOM Instances", "0", "CT1", "association to ANY-SCP"),
        ("Security Alert", "8", "CT2", "association to ANY-SCP: calling-title"),
    ]
    assert told[-1][0] == "Application Stop"


def test_the_dicom_port_with_tls_takes_whom_certificate_and_title_name(tmp_path, authority):
    """DCMTK with its own certificate comes in and stores; with another's, or without TLS, it does not."""
    peer = PeerSection(ae_title="CT1", certificate="ct1.hospital.example")
    settings = {"dicom_tls": True, "peer": (peer,), **tls_settings(authority)}
    (tmp_path / "one.dcm").write_bytes(ct_file(1))
    own, other = authority.issue("ct1.hospital.example"), authority.issue("ct2.hospital.example")

    def shown(pair) -> list[str]:
        files = (str(pair.key), str(pair.certificate))
        return ["-aet", "CT1", "+tls", *files, "+cf", str(authority.roots)]

    with House(tmp_path, **settings).open() as house:
        assert house.dcmtk("storescu", *shown(own)).returncode == 0
        refused = house.dcmtk("echoscu", "-v", *shown(other))
        assert "Calling AE Title Not Recognized" in refused.stdout + refused.stderr
        assert house.dcmtk("echoscu", "-aet", "CT1").returncode != 0
        anonymous = ["-aet", "CT1", "+tla", "+cf", str(authority.roots)]
        assert house.dcmtk("echoscu", *anonymous).returncode != 0
        context = client_context(authority.roots, None, None)
        metrics = house.get("/metrics", context)[1]
        assert house.get("/readyz", context)[0] in {200, 503}
    assert 'refused_total{reason="certificate"} 1.0' in metrics
    assert 'millet_dicom_instances_received_total{peer="known",status="success"} 1.0' in metrics
    left = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if "left_s" in line and line[0] != "#"
    }
    assert left['millet_certificate_left_seconds{certificate="server"}'] == pytest.approx(
        90 * 86400, abs=3600
    )
    assert left['millet_certificate_left_seconds{certificate="roots"}'] > 3000 * 86400
    assert left['millet_certificate_left_seconds{certificate="peer CT1"}'] == pytest.approx(
        90 * 86400, abs=3600
    )


@pytest.mark.parametrize(("called", "emergency"), [("MILLET", False), ("STAT", True)])
def test_what_a_called_title_says_reaches_the_worklist(tmp_path, called, emergency):
    """A series is as urgent as the title it was sent to; who may not call that title is refused."""
    titles = (
        CalledSection(ae_title="MILLET"),
        CalledSection(ae_title="STAT", urgency="emergency", peers=("CT1",)),
    )
    (tmp_path / "one.dcm").write_bytes(ct_file(1))
    with House(tmp_path, peer=(HERE,), known_peers=("CT2",), called=titles).open() as house:
        refused = house.dcmtk("echoscu", "-v", "-aet", "CT2", "-aec", "STAT")
        assert "Called AE Title Not Recognized" in refused.stdout + refused.stderr
        assert house.dcmtk("storescu", "-aet", "CT1", "-aec", called).returncode == 0
        with grpc.insecure_channel(f"127.0.0.1:{house.settings.grpc_port}") as channel:
            watch = AnalysisServiceStub(channel).WatchAnalyses(pb.WatchAnalysesRequest(), timeout=20)
            line = next(watch).series
    assert (line.sender, line.emergency) == ("CT1", emergency)


def access(folder, **tokens) -> dict:
    """Settings with an access file of tokens by role, and the certificate of a console."""
    digests = {role: hashlib.sha256(token.encode()).hexdigest() for role, token in tokens.items()}
    rows = [
        f'[[who]]\nname = "{role}"\nrole = "{role}"\ntoken_sha256 = "{digest}"\n'
        for role, digest in digests.items()
    ]
    rows.append('[[who]]\nname = "console"\nrole = "admin"\ncertificate = "console"\n')
    path = folder / "access.toml"
    path.write_text("".join(rows))
    return {"access_file": path}


def test_grpc_and_http_over_tls_answer_whom_the_access_file_names(tmp_path, authority, caplog):
    """Token or certificate; nobody else; and the trail says who read which series, by pseudonym."""
    settings = {**tls_settings(authority), **access(tmp_path, viewer="v-token", ops="o-token")}
    roots = grpc.ssl_channel_credentials(authority.roots.read_bytes())
    context = client_context(authority.roots, None, None)
    pair = authority.issue("console")
    console = client_context(authority.roots, pair.certificate, pair.key)
    asks = pb.ListAnalysesRequest()
    with House(tmp_path, **settings).open() as house:
        address = f"127.0.0.1:{house.settings.grpc_port}"
        with grpc.secure_channel(address, roots) as channel:
            stub = AnalysisServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.ListAnalyses(asks, timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            metadata = (("authorization", "Bearer v-token"),)
            assert not stub.ListAnalyses(asks, metadata=metadata, timeout=20).series
        assert house.get("/", context)[0] == 401
        assert house.get("/", context, "wrong")[0] == 401
        assert [house.get("/", context, "v-token")[0] for _ in range(3)] == [200] * 3
        assert house.get("/", console)[0] == 200
        assert house.get("/nothing", context, "v-token")[0] == 403
        metrics = house.get("/metrics", context)[1]
        put(house.settings.access_file, b"rubbish")
        assert house.get("/", context, "v-token")[0] == 200
        assert "the old ones are" in caplog.text
        after = house.get("/metrics", context)[1]
    assert 'millet_api_turned_away_total{door="grpc",verdict="unauthenticated"} 1.0' in metrics
    assert 'millet_api_turned_away_total{door="http",verdict="unauthenticated"} 2.0' in metrics
    assert 'millet_api_turned_away_total{door="http",verdict="denied"} 1.0' in metrics
    assert 'millet_renewals_failed_total{file="access"} 1.0' in after
    for secret in ("v-token", "wrong"):
        assert secret not in caplog.text
        assert secret not in json.dumps(house.trail())
    queries = [
        (line["who"], line["role"], line["what"]) for line in house.trail() if line["meaning"] == "Query"
    ]
    assert queries == [
        ("viewer", "viewer", "/millet.v1.AnalysisService/ListAnalyses"),
        ("viewer", "viewer", "GET /"),
        ("console", "admin", "GET /"),
    ]


def test_signing_in_and_out_with_a_browser_is_in_the_trail(tmp_path, authority, caplog):
    """Over TLS the cookie is the host's own; who, when, and each time; no token is in log or trail."""
    settings = {**tls_settings(authority), **access(tmp_path, viewer="v-token")}
    context = client_context(authority.roots, None, None)
    with House(tmp_path, **settings).open() as house:
        url = f"https://127.0.0.1:{house.settings.web_port}"
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(jar := CookieJar()),
        )
        for _ in range(2):
            with opener.open(f"{url}/signin", b"token=v-token&back=/", timeout=20) as page:
                assert "Signed in as viewer" in page.read().decode()
            (cookie,) = jar
            assert (cookie.name, cookie.secure) == ("__Host-millet", True)
            with opener.open(f"{url}/signout", b"", timeout=20) as page:
                assert page.url == f"{url}/signin"
            assert not list(jar)
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"{url}/signin", b"token=guessed", timeout=20)
        refused.value.close()
    told = [(line["who"], line["meaning"]) for line in house.trail() if "sign" in line["what"]]
    assert told == [("viewer", "Login"), ("viewer", "Logout")] * 2 + [("", "Security Alert")]
    for secret in ("v-token", "guessed"):
        assert secret not in caplog.text
        assert secret not in json.dumps(house.trail())


def test_a_first_trial_on_one_machine_needs_nothing_and_is_still_kept(tmp_path):
    """With nothing configured everything on loopback answers, and the trail names nobody."""
    (tmp_path / "one.dcm").write_bytes(ct_file(1))
    with House(tmp_path).open() as house:
        assert house.dcmtk("storescu").returncode == 0
        assert house.get("/")[0] == 200
        assert house.get("/metrics")[0] == 200
        assert house.get("/nothing")[0] == 404
        with grpc.insecure_channel(f"127.0.0.1:{house.settings.grpc_port}") as channel:
            sent = iter([submission.SubmitInstancesRequest(data=ct_file(2))])
            (answer,) = SubmissionServiceStub(channel).SubmitInstances(sent, timeout=20)
    assert (answer.accepted, answer.site) == (True, house.settings.site)
    told = [(line["who"], line["meaning"], line["what"]) for line in house.trail()]
    assert ("", "Query", "GET /") in told
    what = "/millet.v1.SubmissionService/SubmitInstances"
    assert ("", "Begin Transferring DICOM Instances", what) in told


@pytest.mark.parametrize(("proxies", "told"), [((), "127.0.0.1"), (("127.0.0.1",), "10.1.7.3")])
def test_the_trail_has_the_address_that_a_proxy_of_ours_names(tmp_path, proxies, told):
    """And of anybody else the one that they have."""
    with House(tmp_path, web_proxies=proxies).open() as house:
        assert house.get("/", forwarded="10.1.7.3")[0] == 200
    assert [line["from"] for line in house.trail() if line["what"] == "GET /"] == [told]


def test_the_configuration_that_runs_is_in_the_trail_by_its_digest(tmp_path):
    """Another configuration has another digest; the trail goes on."""
    lines = []
    for title in ("MILLET", "MILLET", "OTHER"):
        chosen = Settings(state_dir=tmp_path / "state", ae_title=title, audit_dir=tmp_path / "trail")
        opened(chosen).stop()
    for path in (tmp_path / "trail").glob("*.jsonl"):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    digests = [line["what"].split()[1] for line in lines if line["meaning"] == "Application Start"]
    assert digests[0] == digests[1] != digests[2]
    assert {len(one) for one in digests} == {64}
    assert [line["n"] for line in lines] == list(range(6))


def opened(chosen: Settings) -> Doors:
    """The doors of a process, without the rest of it."""
    return Doors(chosen, "host-0", Now(), DoorMetrics(CollectorRegistry()))


class Now:
    """The clock of this machine."""

    def monotonic_s(self) -> float:
        """Seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, ""),
        ({"host": "localhost"}, ""),
        ({"host": "::1"}, ""),
        ({"host": "0.0.0.0"}, "no TLS .* and no callers"),
        ({"host": "10.1.2.3", "dicom_host": "127.0.0.1"}, "insecure = true"),
        ({"host": "0.0.0.0", "insecure": True}, ""),
        ({"host": "0.0.0.0", "roles": ("receive",)}, ""),
        ({"dicom_host": "0.0.0.0"}, ""),
        ({"host": "::", "access_file": "a"}, r"no TLS \(tls_certificate, tls_key\)\. Set"),
        ({"host": "::", "tls_certificate": "c", "tls_key": "k"}, "no callers who are recognised"),
        ({"host": "::", "tls_certificate": "c", "tls_key": "k", "access_file": "a"}, ""),
        (
            {"host": "::", "tls_certificate": "c", "tls_key": "k", "oidc_issuer": "i", "oidc_audience": "a"},
            "",
        ),
    ],
)
def test_ports_that_others_can_reach_are_not_opened_without_protection(settings, says):
    """The words say what is missing and what to set; the risk can be accepted by name."""
    chosen = Settings(**settings)
    if not says:
        check(chosen, ["folder"])
        return
    with pytest.raises(SettingsError, match=says):
        check(chosen, ["folder"])
    assert exposure(chosen)


def test_such_a_service_does_not_start(tmp_path):
    """Nothing listens, nothing is written."""
    with pytest.raises(SettingsError, match="can be reached by others"):
        House(tmp_path, host="0.0.0.0")
    assert not (tmp_path / "state").exists()


def test_a_called_title_names_destinations_that_there_are():
    """A typing error would send reports nowhere."""
    called = CalledSection(ae_title="STAT", destinations=("er-pacs",))
    with pytest.raises(SettingsError, match="'er-pacs' is no destination"):
        check(Settings(called=(called,)), ["folder"])
    check(Settings(called=(called,)), ["folder", "er-pacs"])


def test_a_page_on_loopback_answers_to_names_of_loopback():
    """Elsewhere to any, unless names are given."""
    assert set(hosts(Settings())) == {"localhost", "127.0.0.1", "::1"}
    assert not hosts(Settings(host="10.1.2.3"))
    assert hosts(Settings(web_hosts=("millet.example",))) == ("millet.example",)


def test_whoever_tries_many_titles_does_not_fill_the_disk(tmp_path, caplog):
    """One address refused for one reason is one line of the trail; log and metric have every try."""
    registry = CollectorRegistry()
    chosen = Settings(state_dir=tmp_path, known_peers=("CT1",))
    doors = Doors(chosen, "host-0", Now(), DoorMetrics(registry))
    for address in ("10.0.0.1", "10.0.0.2"):
        for number in range(50):
            asks = Caller(calling_ae=f"TRY{number}", called_ae="MILLET", address=address)
            assert doors.refused(asks).why is Why.CALLING_TITLE
    doors.stop()
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    assert len([line for line in path.read_text().splitlines() if "Security Alert" in line]) == 2
    assert "'TRY49'" in caplog.text
    refused = {"reason": "calling-title"}
    assert registry.get_sample_value("millet_dicom_associations_refused_total", refused) == 100


def test_whoever_shows_no_token_does_not_fill_the_disk(tmp_path):
    """One address that nobody knows is one line of the trail for all that needs the same role."""
    doors = opened(Settings(state_dir=tmp_path, **access(tmp_path, viewer="v-token")))
    gate = api_gate(doors)
    for number in range(50):
        for address in ("10.0.0.1", "10.0.0.2"):
            shown = Shown(address=address, token=f"t{number}")
            for needed in (Role.VIEWER, Role.READER):
                asked = Ask(door="http", what=f"GET /{number}", needed=needed, shown=shown)
                assert gate.ask(asked).verdict is Verdict.UNKNOWN
    doors.stop()
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    assert len([line for line in path.read_text().splitlines() if "GET /" in line]) == 4


def test_a_title_that_anybody_may_claim_is_warned_of(tmp_path, caplog):
    """known_peers checks no address: that is said at every start."""
    opened(Settings(state_dir=tmp_path, known_peers=("CT9",))).stop()
    assert "whoever knows the AE title CT9 may send from any address" in caplog.text


def test_a_certificate_is_renewed_on_every_port_of_a_running_process(tmp_path, authority):
    """DICOM, gRPC and HTTP show the new one from the next connection on."""
    scanner = authority.issue("ct1")
    peer = PeerSection(ae_title="CT1", certificate="ct1")
    own = client_context(authority.roots, scanner.certificate, scanner.key)
    own.set_alpn_protocols(["h2", "http/1.1"])

    def subject(port: int) -> str:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as line,
            own.wrap_socket(line, server_hostname="127.0.0.1") as connection,
        ):
            told = connection.getpeercert()["subject"]
        return dict(pair for part in told for pair in part)["commonName"]

    with House(tmp_path, dicom_tls=True, peer=(peer,), **tls_settings(authority)).open() as house:
        chosen = house.settings
        ports = (chosen.dicom_port, chosen.grpc_port, chosen.web_port)
        assert [subject(port) for port in ports] == ["millet"] * 3
        authority.issue("renewed", at="millet")
        assert [subject(port) for port in ports] == ["renewed"] * 3
        put(chosen.tls_key, b"rubbish")
        assert [subject(port) for port in ports] == ["renewed"] * 3
        metrics = house.get("/metrics", ssl_context(authority))[1]
    failed = next(
        line for line in metrics.splitlines() if line.startswith('millet_renewals_failed_total{file="tls"}')
    )
    assert float(failed.split()[1]) >= 1


def ssl_context(authority: Authority) -> ssl.SSLContext:
    """A client's, without a certificate."""
    return client_context(authority.roots, None, None)
