"""The chart's rendered configuration, started: each pod of its StatefulSets is a process of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import charts
import pydicom
import pytest
from archives import NAME
from charts import CHART, Manifest, of_kind
from instances import ct_file
from peers import Millet, free_port, storescu, until

from millet.phantom import dicom, presets
from millet_client import Client, NotOffered, PullSeriesRequest

pytestmark = pytest.mark.helm

PORTS = ("MILLET_DICOM_PORT", "MILLET_GRPC_PORT", "MILLET_WEB_PORT", "MILLET_METRICS_PORT")
SENT_REPORTS = ("sr", "summary")
Secrets = Mapping[str, Mapping[str, str]]


class Pod(Millet):
    """One pod: its rendered millet.toml and variables; what a machine gives it are variables too."""

    def __init__(self, folder: Path, text: str, variables: Mapping[str, str], own: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder, self.log = folder, folder / "log.jsonl"
        ports = {name: free_port() for name in PORTS}
        self.dicom_port, self.grpc_port, self.web_port, self.health_port = ports.values()
        self.environment = {**variables, **own, **{name: str(port) for name, port in ports.items()}}
        (folder / "millet.toml").write_text(text, "utf-8")

    def ends(self) -> int:
        """Start, and wait for its end; the exit status."""
        command = [sys.executable, "-m", "millet", "serve", "--config", str(self.folder / "millet.toml")]
        with self.log.open("ab") as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, env=self.variables, timeout=120, check=False
            )
        return done.returncode


class Cluster:
    """All pods of the rendered chart, by the name of their StatefulSet; none runs yet."""

    def __init__(self, folder: Path, found: Sequence[Manifest], secrets: Secrets) -> None:
        self._pods: dict[str, list[Pod]] = {}
        slot = 0
        for one in of_kind("StatefulSet", found):
            name, text = one["metadata"]["name"], charts.configuration(one, found)
            for number in range(one["spec"]["replicas"]):
                own = {"MILLET_HOST": "127.0.0.1", "MILLET_STATE_DIR": str(folder / "spool")}
                own["MILLET_SLOT"] = str(slot)  # of one host, whose name all share
                pod = Pod(folder / f"{name}-{number}", text, _variables(one, secrets), own)
                pod.probes = _probes(one)
                self._pods.setdefault(name, []).append(pod)
                slot += 1

    def pods(self, part: str) -> Sequence[Pod]:
        """Those of one part."""
        return self._pods[f"r-millet-{part}"]

    def start(self, *parts: str) -> None:
        """Start all pods of some parts, and wait until each is ready."""
        pods = [pod for part in parts for pod in self.pods(part)]
        with ThreadPoolExecutor(len(pods)) as starting:
            list(starting.map(Pod.start, pods))

    def kill(self) -> None:
        """End whatever runs."""
        for pod in (pod for pods in self._pods.values() for pod in pods if hasattr(pod, "process")):
            pod.kill()


def _variables(stateful_set: Manifest, secrets: Secrets) -> Mapping[str, str]:
    """The environment of a container, its Secrets looked up."""
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= secrets[source["secretRef"]["name"]]
    for one in container.get("env", ()):
        reference = one["valueFrom"]["secretKeyRef"]
        found[one["name"]] = secrets[reference["name"]][reference["key"]]
    return found


def _probes(stateful_set: Manifest) -> Sequence[str]:
    """The paths that Kubernetes asks of a container."""
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    return [container[f"{kind}Probe"]["httpGet"]["path"][1:] for kind in ("startup", "readiness", "liveness")]


@pytest.fixture(scope="module")
def other_case(tmp_path_factory):
    """A second patient."""
    folder = tmp_path_factory.mktemp("phantom") / "other"
    dicom.write(presets.make("case", nodules=30, seed=12, scale=0.5), folder)
    return folder


@pytest.fixture
def cluster(tmp_path, postgres, orthanc):
    """The rendered chart on a PostgreSQL of its own, with Orthanc as the PACS."""
    text = charts.rendered(CHART / "ci" / "local-values.yaml")
    found = charts.manifests(text.replace("127.0.0.1:4242", f"127.0.0.1:{orthanc.dicom_port}"))
    secrets = {"millet-journal": {"url": postgres.url(postgres.fresh())}}
    made = Cluster(tmp_path, found, secrets)
    yield made
    made.kill()


def stored(pod: Pod, encoded: bytes) -> int:
    """The status of an instance that is sent by STOW-RS."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{pod.web_port}/studies",
        b"--x\r\nContent-Type: application/dicom\r\n\r\n" + encoded + b"\r\n--x--",
        {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_what_is_submitted_reaches_the_rendered_cluster(cluster, orthanc):
    """Over gRPC, by STOW-RS and by a pull from Orthanc, at the pod for it; the API tells it, takes none."""
    submitted, posted, pulled = (f"{NAME.series_uid}.{number}" for number in (1, 2, 3))
    orthanc.post("instances", ct_file(1, pulled))
    wanted = PullSeriesRequest(archive="pacs", study_uid=NAME.study_uid, series_uid=pulled)
    (intake,), (api,) = cluster.pods("intake"), cluster.pods("api")
    us = {"AET": "MILLET", "Host": "127.0.0.1", "Port": intake.dicom_port}
    orthanc.put("modalities/us", json.dumps(us).encode())
    cluster.start("intake", "api")
    with Client(f"127.0.0.1:{intake.grpc_port}", tls=None, timeout_s=120.0) as millet:
        assert [one.accepted for one in millet.submit([ct_file(1, submitted)])] == [True]
        *_, last = millet.pull(wanted)
        assert (last.here, last.complete) == (1, True)
    assert (stored(intake, ct_file(1, posted)), stored(api, ct_file(1, posted))) == (200, 404)
    with Client(f"127.0.0.1:{api.grpc_port}", tls=None) as millet, pytest.raises(NotOffered) as caught:
        list(millet.pull(wanted))
    assert caught.value.reason == "NOT_OFFERED"
    until(
        "the API knows all three",
        lambda: {one.series_uid for one in api.series()} == {submitted, posted, pulled} or None,
        60,
        api.process,
    )
    assert (intake.terminate(), api.terminate()) == (0, 0)


def test_the_rendered_cluster_does_its_work(cluster, orthanc, small_case, other_case):
    """Two receivers, two analysers, one deliverer, one API: what is sent to either receiver is reported once.

    Both series are received while the only pool that was started has no GPU, and is refused its start.
    """
    cases = (small_case, other_case)
    cluster.start("receiver", "api")
    (gpu,) = cluster.pods("analyser-gpu")
    assert gpu.ends() != 0
    assert "CUDA" in gpu.log.read_text()
    for receiver, case in zip(cluster.pods("receiver"), cases, strict=True):
        storescu(case, receiver.dicom_port)
    (api,) = cluster.pods("api")
    until(
        "both wait for an analyser",
        lambda: [s.state for s in api.series()] == ["queued", "queued"] or None,
        60,
        api.process,
    )
    waited = re.findall(r"^millet_jobs_oldest_wait_seconds{.*} (\S+)$", api.health("metrics"), re.MULTILINE)
    assert max(map(float, waited)) > 0
    cluster.start("analyser-cpu", "deliverer")
    for case in cases:
        first = pydicom.dcmread(next(case.glob("*.dcm")), stop_before_pixels=True)
        status = api.ended(str(first.SeriesInstanceUID))
        assert status.state == "analysed"
        assert status.instances == len(list(case.glob("*.dcm")))
        reports = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(one)) for one in orthanc.instances("SR")]
        mine = [one for one in reports if one.StudyInstanceUID == first.StudyInstanceUID]
        assert len({one.SOPInstanceUID for one in mine}) == len(mine) == len(SENT_REPORTS)
        assert f"/series/local/{status.series_uid}" in api.page("")
    assert len(api.series()) == len(cases)
    (deliverer,) = cluster.pods("deliverer")
    for pod in (*cluster.pods("receiver"), *cluster.pods("analyser-cpu"), deliverer, api):
        assert all(pod.health(path) for path in pod.probes)
        assert pod.terminate() == 0
        assert "sesame-4711" not in pod.log.read_text()
