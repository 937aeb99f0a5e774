"""The chart, rendered by Helm 3 and Helm 4 with the values of `helm/millet/ci`, and what is in it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import charts
import jsonschema
import pytest
import yaml
from charts import CHART, HELMS, VALUES, Manifest, manifests, of_kind

from millet.settings import Settings, load

pytestmark = pytest.mark.helm
each_value_set = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
CUSTOM: Mapping[str, Mapping[str, Any]] = {
    "ScaledObject": {
        "required": ["scaleTargetRef", "triggers"],
        "additionalProperties": False,
        "properties": {
            "scaleTargetRef": {"required": ["name"], "properties": {"kind": {"const": "StatefulSet"}}},
            "pollingInterval": {"type": "integer"},
            "cooldownPeriod": {"type": "integer"},
            "minReplicaCount": {"type": "integer", "minimum": 0},
            "maxReplicaCount": {"type": "integer", "minimum": 1},
            "advanced": {"type": "object"},
            "triggers": {
                "type": "array",
                "items": {
                    "additionalProperties": False,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": {"const": "prometheus"},
                        "metricType": {"enum": ["AverageValue", "Value", "Utilization"]},
                        "metadata": {**TEXTS, "required": ["serverAddress", "query", "threshold"]},
                    },
                },
            },
        },
    },
    "ServiceMonitor": {
        "required": ["selector", "endpoints"],
        "additionalProperties": False,
        "properties": {
            "jobLabel": {"type": "string"},
            "selector": {"properties": {"matchLabels": TEXTS}, "additionalProperties": False},
            "endpoints": {
                "type": "array",
                "items": {
                    "additionalProperties": False,
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"type": "string", "pattern": "^/"},
                        "interval": {"type": "string", "pattern": r"^\d+(ms|s|m)$"},
                        "scheme": {"enum": ["http", "https"]},
                    },
                },
            },
        },
    },
    "PrometheusRule": {
        "required": ["groups"],
        "additionalProperties": False,
        "properties": {
            "groups": {
                "type": "array",
                "items": {
                    "required": ["name", "rules"],
                    "properties": {"rules": {"type": "array", "items": {"required": ["expr"]}}},
                },
            }
        },
    },
}
"""Of kinds that Kubernetes itself does not know: their specification, as far as the chart uses it."""


@cache
def text(values: Path, version: int = 4) -> str:
    """A rendered chart, once a run."""
    return charts.rendered(values, version)


def found(values: Path) -> Sequence[Manifest]:
    """Its objects."""
    return manifests(text(values))


def configurations(values: Path, tmp_path: Path) -> Mapping[str, Settings]:
    """What each StatefulSet is configured to be, read as the service reads it."""
    read = {}
    for one in of_kind("StatefulSet", found(values)):
        (file := tmp_path / "millet.toml").write_text(charts.configuration(one, found(values)), "utf-8")
        read[one["metadata"]["name"]] = load({}, file)
    return read


@each_value_set
@pytest.mark.parametrize("version", HELMS)
def test_helm_finds_no_mistake(values: Path, version: int) -> None:
    """`helm lint --strict` is content with each set of values."""
    done = charts.helm(version, "lint", "--strict", str(CHART), "-f", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@each_value_set
def test_both_helms_render_the_same(values: Path) -> None:
    """Helm 3 and Helm 4 make the same bytes."""
    assert text(values, 3) == text(values, 4)


@each_value_set
def test_kubernetes_knows_every_field(values: Path, tmp_path: Path) -> None:
    """Each object of Kubernetes' own kinds is valid, no field unknown; other kinds by a schema of ours."""
    (file := tmp_path / "rendered.yaml").write_text(text(values), "utf-8")
    program = Path(sys.executable).with_name("kubernetes-validate")
    words = [str(program), "--strict", "-k", charts.KUBERNETES.rpartition(".")[0], str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    own = {one["kind"] for one in found(values)} & set(CUSTOM)
    assert set(re.findall(r"find schema for kind (\w+)", done.stdout + done.stderr)) == own
    for kind in own:
        for one in of_kind(kind, found(values)):
            jsonschema.validate(one["spec"], {"type": "object", **CUSTOM[kind]})


@each_value_set
def test_the_service_takes_each_configuration(values: Path, tmp_path: Path) -> None:
    """Each rendered millet.toml loads; every role is somewhere; a pool has the settings that are its own."""
    read = configurations(values, tmp_path)
    assert {role for one in read.values() for role in one.roles} == {"receive", "analyse", "deliver", "api"}
    if (pool := read.get("r-millet-analyser-gpu")) is not None:
        assert pool.device.startswith("cuda")
        assert read["r-millet-analyser-cpu"].device == "cpu"


@each_value_set
def test_no_pod_may_more_than_it_needs(values: Path) -> None:
    """Nobody is root or has a token; nothing is writable but the state and /tmp; seccomp is on."""
    for one in of_kind("StatefulSet", found(values)):
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert writable == {"/var/lib/millet", "/tmp"}


@each_value_set
def test_a_stop_is_never_cut_off(values: Path, tmp_path: Path) -> None:
    """Kubernetes waits for longer than preStop and the drain take together."""
    read = configurations(values, tmp_path)
    for one in of_kind("StatefulSet", found(values)):
        pod = one["spec"]["template"]["spec"]
        _, before_s = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        needed_s = int(before_s) + read[one["metadata"]["name"]].drain_s
        assert pod["terminationGracePeriodSeconds"] > needed_s


@each_value_set
def test_each_part_has_what_surrounds_it(values: Path) -> None:
    """Every StatefulSet has a service for its names, three probes, a disruption budget, a policy if any."""
    objects = found(values)
    policies = of_kind("NetworkPolicy", objects)
    for one in of_kind("StatefulSet", objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        component = labels["app.kubernetes.io/component"]
        (container,) = one["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
        (service,) = [
            s for s in of_kind("Service", objects) if s["metadata"]["name"] == one["spec"]["serviceName"]
        ]
        for selector in (one["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
            assert selector.items() <= labels.items()
        for kind in ("PodDisruptionBudget", *(["NetworkPolicy"] if policies else [])):
            (mine,) = [
                o
                for o in of_kind(kind, objects)
                if o["metadata"]["labels"].get("app.kubernetes.io/component") == component
            ]
            selector = mine["spec"].get("selector") or mine["spec"]["podSelector"]
            assert selector["matchLabels"].items() <= labels.items()
    assert len(policies) in {0, len(of_kind("StatefulSet", objects))}


@each_value_set
def test_services_lead_to_ports_that_are_there(values: Path) -> None:
    """Every service and Ingress ends at a port that some pod of its selector has."""
    objects = found(values)
    templates = [one["spec"]["template"] for one in of_kind("StatefulSet", objects)]
    for service in of_kind("Service", objects):
        selector = service["spec"]["selector"].items()
        (pod,) = [t["spec"] for t in templates if selector <= t["metadata"]["labels"].items()]
        named = {port["name"] for port in pod["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    services = {one["metadata"]["name"]: one for one in of_kind("Service", objects)}
    for ingress in of_kind("Ingress", objects):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                to = path["backend"]["service"]
                assert to["port"]["name"] in {port["name"] for port in services[to["name"]]["spec"]["ports"]}


def open_ports(values: Path, way: str) -> Mapping[str, set[object]]:
    """What the policy of each part lets in, or out."""
    return {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: {
            port["port"] for rule in one["spec"][way] for port in rule["ports"]
        }
        for one in of_kind("NetworkPolicy", found(values))
    }


def test_only_what_receives_can_be_sent_to() -> None:
    """Modalities reach receivers alone; readers the API alone; a pool that has no GPU stops neither."""
    values = CHART / "ci" / "cluster-volume-values.yaml"
    objects = found(values)
    assert open_ports(values, "ingress") == {
        "receiver": {"dicom", "health"},
        "analyser-cpu": {"health"},
        "analyser-gpu": {"kserve", "health"},
        "deliverer": {"health"},
        "api": {"web", "grpc", "health"},
    }
    (dicom,) = [one for one in of_kind("Service", objects) if one["metadata"]["name"] == "r-millet-dicom"]
    assert dicom["spec"]["selector"]["app.kubernetes.io/component"] == "receiver"


def test_what_is_submitted_goes_to_pods_of_its_own(tmp_path: Path) -> None:
    """They receive and answer, are reached over gRPC and HTTP alone, and share no service with any others.

    Receivers do not answer: what does is not ready while the database is away.
    """
    values = CHART / "ci" / "cluster-bucket-values.yaml"
    read = configurations(values, tmp_path)
    assert read["r-millet-intake"].roles == ("receive", "api")
    assert (read["r-millet-intake"].stow, read["r-millet-intake"].grpc_submits) == (True, 8)
    assert read["r-millet-receiver"].roles == ("receive",)
    assert open_ports(values, "ingress")["intake"] == {"web", "grpc", "health"}
    leads = {
        one["metadata"]["name"]: one["spec"]["selector"]["app.kubernetes.io/component"]
        for one in of_kind("Service", found(values))
        if one["spec"].get("clusterIP") != "None"
    }
    assert leads == {"r-millet": "api", "r-millet-submissions": "intake", "r-millet-dicom": "receiver"}


@pytest.mark.parametrize(
    ("stem", "names"),
    [
        ("default", set()),
        ("single", {"r-millet"}),
        ("cluster-volume", {"r-millet-analyser-gpu"}),
        ("cluster-bucket", set()),
    ],
)
def test_detectors_are_lent_where_a_port_is_set_for_them(stem: str, names: set[str], tmp_path: Path) -> None:
    """By a service for each pool of analysers that has one, at that port; of others there is nothing."""
    values = CHART / "ci" / f"{stem}-values.yaml"
    objects, read = found(values), configurations(values, tmp_path)
    (sets, services) = (
        {one["metadata"]["name"]: one for one in of_kind(kind, objects)}
        for kind in ("StatefulSet", "Service")
    )
    assert {name for name in services if name.endswith("-detectors")} == {f"{one}-detectors" for one in names}
    for name, pods in sets.items():
        (container,) = pods["spec"]["template"]["spec"]["containers"]
        opened = [one["containerPort"] for one in container["ports"] if one["name"] == "kserve"]
        assert opened == ([read[name].kserve_port] if name in names else [])
    for name in names:
        service = services[f"{name}-detectors"]["spec"]
        (port,) = service["ports"]
        assert (port["port"], port["targetPort"]) == (read[name].kserve_port, "kserve") == (8001, "kserve")
        assert service["selector"] == sets[name]["spec"]["selector"]["matchLabels"]


def test_who_may_borrow_detectors_is_said_by_a_list_of_its_own() -> None:
    """Apart from who may read, and from who may ask for metrics."""
    values = CHART / "ci" / "cluster-volume-values.yaml"
    borrowers = yaml.safe_load(values.read_text("utf-8"))["networkPolicy"]["detectorsFrom"]
    allowed = [
        (one["metadata"]["name"], rule["from"])
        for one in of_kind("NetworkPolicy", found(values))
        for rule in one["spec"]["ingress"]
        if {"port": "kserve", "protocol": "TCP"} in rule["ports"]
    ]
    assert allowed == [("r-millet-analyser-gpu", borrowers)]


def test_an_ingress_tells_what_is_submitted_from_what_is_read() -> None:
    """STOW-RS and the gRPC service that takes instances lead to pods of their own, all else to the API."""
    paths = {
        ingress["metadata"]["name"]: {
            path["path"]: path["backend"]["service"]["name"]
            for path in ingress["spec"]["rules"][0]["http"]["paths"]
        }
        for ingress in of_kind("Ingress", found(CHART / "ci" / "cluster-bucket-values.yaml"))
    }
    calls = {"/millet.v1.SubmissionService": "r-millet-submissions", "/": "r-millet"}
    assert paths == {
        "r-millet-web": {"/studies": "r-millet-submissions", **calls},
        "r-millet-grpc": calls,
    }


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize(
    "asked",
    [
        "settings.stow=true",
        "settings.grpc_submits=8",
        "settings.grpc_pulls=1",
        "api.settings.stow=true",
        "intake.replicas=1,receivers.settings.stow=true",
    ],
)
def test_what_no_pod_would_take_is_refused(version: int, asked: str) -> None:
    """A cluster that is to take instances by gRPC or STOW-RS, but has no pod for it, ends with a sentence."""
    values = str(CHART / "ci" / "cluster-volume-values.yaml")
    done = charts.helm(version, "template", "r", str(CHART), "-f", values, "--set", asked)
    assert done.returncode != 0
    assert "is set, but no pod would follow it: that needs intake.replicas above 0" in done.stderr


def test_each_part_reaches_what_it_needs() -> None:
    """Who signs people in reaches the issuer, who detects the detector elsewhere, who sends destinations."""
    every = {53, 5432, 443, 4317}
    issuer, detectors, destinations = {8443}, {8001}, {104, 2575}
    assert open_ports(CHART / "ci" / "cluster-bucket-values.yaml", "egress") == {
        "receiver": every | destinations,
        "intake": every | issuer | destinations,
        "analyser-cpu": every | detectors,
        "analyser-gpu": every | detectors,
        "analyser-child": every | detectors,
        "deliverer": every | destinations,
        "api": every | issuer,
    }


def test_the_notes_name_what_cannot_be_reached() -> None:
    """An issuer, a collector or a detector that is set, and that no rule lets a part reach, is told."""
    values = str(CHART / "ci" / "cluster-bucket-values.yaml")
    words = ["install", "r", str(CHART), "--dry-run=client", "-f", values]
    assert "lets it reach nothing" not in charts.helm(4, *words).stdout
    lists = ("issuer", "traces", "detectors")
    emptied = [word for name in lists for word in ("--set-json", f"networkPolicy.egress.{name}=[]")]
    notes = charts.helm(4, *words, *emptied).stdout
    line = r"^(\S+) has (\w+), but networkPolicy\.egress\.(\w+) lets it reach nothing\.$"
    told = re.findall(line, notes, re.MULTILINE)
    traced = {"receiver", "intake", "analyser-cpu", "analyser-gpu", "analyser-child", "deliverer", "api"}
    assert set(told) == {
        *((f"r-millet-{part}", "traces_to", "traces") for part in traced),
        ("r-millet-api", "oidc_issuer", "issuer"),
        ("r-millet-intake", "oidc_issuer", "issuer"),
        ("r-millet-analyser-child", "remote", "detectors"),
    }


def test_a_scaled_pool_has_no_number_of_its_own() -> None:
    """KEDA and HPA decide alone, by the age of the oldest series that waits; the target is the pool."""
    for stem, kind in (("cluster-volume", "ScaledObject"), ("cluster-bucket", "HorizontalPodAutoscaler")):
        objects = found(CHART / "ci" / f"{stem}-values.yaml")
        (scaler,) = of_kind(kind, objects)
        sets = {one["metadata"]["name"]: one["spec"] for one in of_kind("StatefulSet", objects)}
        assert "replicas" not in sets.pop(scaler["spec"]["scaleTargetRef"]["name"])
        assert all("replicas" in one for one in sets.values())
        assert "millet_jobs_oldest_wait_seconds" in yaml.safe_dump(scaler)


def test_the_alerts_are_those_of_compose() -> None:
    """The PrometheusRule holds deploy/alerts.yml, word for word, and the monitor gives the job its name."""
    objects = found(CHART / "ci" / "cluster-volume-values.yaml")
    (rule,), (monitor,) = of_kind("PrometheusRule", objects), of_kind("ServiceMonitor", objects)
    alerts = yaml.safe_load((charts.ROOT / "deploy" / "alerts.yml").read_text("utf-8"))
    assert rule["spec"] == alerts
    named = monitor["spec"]["jobLabel"]
    watched = [one for one in of_kind("Service", objects) if "millet/metrics" in one["metadata"]["labels"]]
    assert {one["metadata"]["labels"][named] for one in watched} == {"millet"}
    assert len(watched) == len(of_kind("StatefulSet", objects))


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("wrong", ["settings.site=3", "mode=both", "mode=cluster", "receivers.colour=red"])
def test_helm_refuses_a_wrong_value(version: int, wrong: str) -> None:
    """A mistake ends with an error before anything is rendered; a cluster without a journal is one."""
    assert charts.helm(version, "template", "r", str(CHART), "--set", wrong).returncode != 0


def test_a_long_name_stays_a_name() -> None:
    """A pod's name with its number is a valid label, and short enough for the executor that is called so."""
    values = str(CHART / "ci" / "cluster-volume-values.yaml")
    name = "a-release-with-a-name-as-long-as-helm-will-take-it-53"
    done = charts.helm(4, "template", name, str(CHART), "-f", values)
    for one in of_kind("StatefulSet", manifests(done.stdout)):
        assert len(f"{one['metadata']['name']}-12-0") <= 60
