"""What operators see: metrics of every role, dashboards and alerts, by a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import grpc
import pydicom
import pytest
from certificates import Authority
from listeners import Listener
from peers import Millet, free_port, http, storescu, until

from millet.core.canary import NAME
from millet.edge import models
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

ROOT = Path(__file__).parents[2]
OFTEN_S = 4.0
OF_PATIENTS = re.compile(
    r"^millet_(series|nodule|turnaround|jobs|queue_wait|stage_duration|count_not|triage|instances_known)\w*"
)


def samples(text: str) -> dict[str, float]:
    """Every sample by its name with labels."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def canaries(service: Millet, least: int) -> dict[str, float]:
    """The metrics once so many canaries came back."""

    def look() -> dict[str, float] | None:
        found = samples(service.page("metrics"))
        return found if found["millet_canary_latency_seconds_count"] >= least else None

    return until("the canary comes back", look, 120, service.process)


@pytest.fixture
def authority(tmp_path):
    """Who signs certificates here."""
    return Authority(tmp_path / "certificates")


class Unready(Millet):
    """A service that is not expected to become ready."""

    def health(self, probe: str) -> str:
        """It lives, whatever it says of being ready."""
        return super().health("healthz" if probe == "readyz" else probe)


class Blinded(Millet):
    """A process on a machine whose GPUs are gone, which is not expected to stay."""

    environment = MappingProxyType({"CUDA_VISIBLE_DEVICES": "-1"})

    def start(self) -> None:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "millet", "serve", "--config", str(self.folder / "millet.toml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.variables)


class Watched(Millet):
    """A service that is looked at through its port of metrics."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.metrics_port = free_port()
        super().__init__(folder, {"metrics_port": self.metrics_port, **settings})

    def page(self, path: str) -> str:
        """Of that port."""
        return http(f"http://127.0.0.1:{self.metrics_port}/{path}").decode()


def test_the_canary_goes_the_whole_way_and_reaches_nobody(millet):
    """Its nodules are found; no destination, worklist, watcher, page or metric of patients knows of it."""
    heard: list[bytes] = []
    with Listener(lambda line: heard.append(line.recv(4096))) as webhook:
        section = {"name": "HOOK", "kind": "http", "to": f"http://127.0.0.1:{webhook.port}/x", "tls": False}
        service = millet(canary_every_s=OFTEN_S, destinations=[section])
        seen = canaries(service, 2)
    assert b"".join(heard) == b""  # it is asked whether it is there, and told nothing
    assert seen["millet_canary_sensitivity_ratio"] == 1.0
    assert seen["millet_canary_last_success_timestamp_seconds"] > seen["millet_process_start_time_seconds"]
    moved = {
        name for name, value in seen.items() if OF_PATIENTS.match(name) and value and "_created" not in name
    }
    assert moved == set()
    delivered = {name for name, value in seen.items() if name.startswith("millet_deliveries_total") and value}
    assert delivered == {f'millet_deliveries_total{{destination="{NAME}",result="delivered"}}'}
    peers = {name for name, value in seen.items() if re.match(r"millet_dicom_\w+_total", name) and value}
    assert all('peer="canary"' in name for name in peers)
    assert list((service.folder / "state").glob("reports/**/*.dcm")) == []
    assert service.series() == []
    assert "No series has arrived" in service.page("")
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as ended:
            next(AnalysisServiceStub(channel).WatchAnalyses(pb.WatchAnalysesRequest(), timeout=OFTEN_S * 2))
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_who_sends_and_compares_a_canary_holds_no_torch(millet, tmp_path):
    """The phantom is drawn in a process that ends with it; only the analyser computes."""
    shared = {"state_dir": str(tmp_path / "state")}
    service = millet(**shared, roles=["receive", "deliver", "api"], canary_every_s=600.0)
    millet(**shared, roles=["analyse", "api"], slot=1)
    seen = canaries(service, 1)
    assert seen["millet_canary_sensitivity_ratio"] == 1.0
    assert seen['millet_canary_sent_total{result="sent"}'] == 1
    assert "torch" not in Path(f"/proc/{service.process.pid}/maps").read_text()


def test_a_blind_model_raises_its_alert(millet, prometheus, tmp_path):
    """A model that reports nothing is noticed before a patient is missed, while all else is well."""
    shutil.copytree(models.bundled() / "log", tmp_path / "models" / "log")
    path = tmp_path / "models" / "log" / "1" / "manifest.json"
    told = json.loads(path.read_text())
    told["levels"] = [{**level, "threshold": 0.9999} for level in told["levels"]]
    path.write_text(json.dumps(told))
    service = millet(canary_every_s=OFTEN_S, models_dir=str(tmp_path / "models"), model="log/1")
    watcher = prometheus(service.web_port)
    assert canaries(service, 1)["millet_canary_sensitivity_ratio"] == 0.0
    watcher.until_firing("MilletCanaryBlind", 30)
    assert "MilletModelNotReady" not in watcher.firing()
    watcher.until_firing("MilletCanaryMissing", 120)


def test_a_full_disk_raises_its_alerts(tmp_path, prometheus):
    """The canary is refused as a scanner is; the disk says why."""
    service = Unready(tmp_path / "full", {"canary_every_s": OFTEN_S, "spool_reserve_bytes": 2**62})
    try:
        watcher = prometheus(service.web_port)
        for name in ("MilletCanaryNotTaken", "MilletRefusesInstances", "MilletDiskFills"):
            watcher.until_firing(name, 60)
    finally:
        service.kill()


def test_a_dead_pacs_raises_its_alert(millet, prometheus, small_case):
    """Nobody listens where reports go: the destination counts as away, and the report is kept."""
    service = millet(destination=f"PACS@127.0.0.1:{free_port()}", canary_every_s=OFTEN_S)
    watcher = prometheus(service.web_port)
    watcher.until_firing("MilletDestinationSilent", 60)  # before any report waits
    storescu(small_case, service.dicom_port)
    watcher.until_firing("MilletDestinationAway", 120)
    assert watcher.query("max(millet_outbox_deliveries)")[0]["value"][1] != "0"


def test_an_analyser_without_its_gpu_raises_alerts(millet, prometheus, small_case, tmp_path):
    """It ends with the reason and is down; nobody analyses; what is sent meanwhile is received, and waits."""
    receiver = millet(roles=["receive", "deliver", "api"])
    analyser = Blinded(
        tmp_path / "analyser", {"roles": ["analyse"], "device": "cuda", "metrics_port": free_port()}
    )
    assert analyser.process.wait(120) != 0
    assert "CUDA" in analyser.log.read_text()
    prometheus(int(analyser.health_port)).until_firing("MilletDown", 60)
    watcher = prometheus(receiver.web_port)
    watcher.until_firing("MilletNobodyAnalyses", 60)
    storescu(small_case, receiver.dicom_port)
    receiver.in_state("queued")
    assert "MilletRefusesInstances" not in watcher.firing()


def test_a_process_of_any_role_tells_metrics_and_health(millet, tmp_path):
    """A receiver without the role api answers on its port of metrics, and on no other."""
    receiver = Watched(tmp_path / "receiver", {"roles": ["receive"]})
    try:
        assert json.loads(receiver.page("readyz")) == {"ready": True, "reasons": {}}
        assert json.loads(receiver.page("healthz")) == {"live": True}
        assert json.loads(receiver.page("startupz"))["started"]
        seen = samples(receiver.page("metrics"))
        assert seen["millet_spool_free_bytes"] > 0
        assert seen['millet_jobs{state="receiving"}'] == 0
        with pytest.raises(OSError, match="refused"):
            http(f"http://127.0.0.1:{receiver.web_port}/healthz")
        with pytest.raises(OSError, match="404"):
            receiver.page("")
    finally:
        receiver.kill()


def test_the_canary_speaks_tls_where_the_port_does(tmp_path, authority):
    """It shows our own certificate, as a peer on this machine."""
    own = authority.issue("millet.example")
    files = {
        "tls_certificate": str(own.certificate),
        "tls_key": str(own.key),
        "tls_roots": str(authority.roots),
    }
    service = Watched(tmp_path / "tls", {"canary_every_s": OFTEN_S, "dicom_tls": True, **files})
    try:
        assert canaries(service, 1)["millet_canary_sensitivity_ratio"] == 1.0
    finally:
        service.kill()


def test_every_panel_has_an_answer(millet, prometheus, small_case, tmp_path, authority):
    """Each expression of each dashboard, asked of a Prometheus that watches a service at work."""
    section = {
        "name": "PACS",
        "kind": "dicom",
        "to": f"PACS@127.0.0.1:{free_port()}",
        "roots": str(authority.roots),
    }
    ris = {"name": "RIS", "kind": "oru", "to": f"127.0.0.1:{free_port()}", "tls": False}
    ris["notify_from"] = "notable"
    service = millet(canary_every_s=OFTEN_S, destinations=[section, ris])
    watcher = prometheus(service.web_port)
    storescu(small_case, service.dicom_port)
    uid = str(pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)
    canaries(service, 2)
    until(
        "it is analysed",
        lambda: [s for s in service.series() if s.state == "analysed" and s.series_uid == uid] or None,
        300,
        service.process,
    )
    asked = {
        target["expr"].replace("$__rate_interval", "30s")
        for path in (ROOT / "deploy" / "grafana").glob("*.json")
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    }
    assert len(asked) > 60

    def unanswered() -> list[str]:
        return [one for one in sorted(asked) if "millet_gpu" not in one and not watcher.query(one)]

    until("every panel has an answer", lambda: not unanswered() or None, 120, service.process)
    for one in asked:
        watcher.query(one)
