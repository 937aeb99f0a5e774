"""The gRPC contract: documented, numbered for good, and what is committed is what it generates."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]
PROTO = "millet/proto/millet/v1/analysis_service.proto"
OURS = sorted(f"millet/proto/millet/v1/{path.name}" for path in (ROOT / "proto/millet/v1").glob("*.proto"))
PUBLIC = "millet/proto/inference/grpc_service.proto"
"""The KServe v2 protocol, which others number."""
NUMBERED = {
    "Analysis": 18,
    "AnalysisFilter": 8,
    "GetAnalysisRequest": 4,
    "GetAnalysisResponse": 3,
    "ListAnalysesRequest": 3,
    "ListAnalysesResponse": 2,
    "Nodule": 10,
    "Pattern": 8,
    "SeriesStatus": 25,
    "WatchAnalysesRequest": 2,
    "WatchAnalysesResponse": 2,
}
"""Fields of the released messages; numbers are only ever added behind them."""


PUBLIC_NUMBERS = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live=1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready=1",
    "ModelReadyRequest": "name=1 version=2",
    "ModelReadyResponse": "ready=1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name=1 version=2 extensions=3",
    "ModelMetadataRequest": "name=1 version=2",
    "ModelMetadataResponse": "name=1 versions=2 platform=3 inputs=4 outputs=5",
    "ModelMetadataResponse.TensorMetadata": "name=1 datatype=2 shape=3",
    "ModelInferRequest": (
        "model_name=1 model_version=2 id=3 parameters=4 inputs=5 outputs=6 raw_input_contents=7"
    ),
    "ModelInferRequest.InferInputTensor": "name=1 datatype=2 shape=3 parameters=4 contents=5",
    "ModelInferRequest.InferRequestedOutputTensor": "name=1 parameters=2",
    "ModelInferResponse": "model_name=1 model_version=2 id=3 parameters=4 outputs=5 raw_output_contents=6",
    "ModelInferResponse.InferOutputTensor": "name=1 datatype=2 shape=3 parameters=4 contents=5",
    "InferParameter": "bool_param=1 int64_param=2 string_param=3 double_param=4 uint64_param=5",
    "InferTensorContents": (
        "bool_contents=1 int_contents=2 int64_contents=3 uint_contents=4 uint64_contents=5 fp32_contents=6 "
        "fp64_contents=7 bytes_contents=8"
    ),
}
"""Every message of it that we use, and its fields."""


def protoc(*options: str) -> None:
    """Run the compiler as `make proto` does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-Imillet/proto={ROOT / 'proto'}", *options]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> dict[str, FileDescriptorProto]:
    """All contracts with their comments."""
    found = tmp_path_factory.mktemp("proto") / "set"
    protoc(f"--descriptor_set_out={found}", "--include_source_info", *OURS, PUBLIC)
    return {file.name: file for file in FileDescriptorSet.FromString(found.read_bytes()).file}


@pytest.fixture(scope="module")
def contract(described) -> FileDescriptorProto:
    """Our own contract: all files of it, as one."""
    whole = FileDescriptorProto()
    for name in OURS:
        whole.MergeFrom(described[name])
    whole.package = described[PROTO].package
    return whole


def test_the_committed_modules_are_what_the_contracts_generate(tmp_path):
    """A change of a contract without `make proto` fails here."""
    kinds = ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out")
    protoc(*(f"--{kind}={tmp_path}" for kind in kinds), *OURS, PUBLIC)
    made = {p.relative_to(tmp_path): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    committed = {p: (ROOT / "service" / p).read_text() for p in made}
    assert len(made) == 4 * (len(OURS) + 1)
    assert made == committed


def test_the_public_protocol_keeps_its_names_and_numbers(described):
    """Another package, service or number would be a protocol that no other server speaks."""
    file = described[PUBLIC]
    messages = {message.name: message for message in file.message_type}
    nested = {
        f"{name}.{inner.name}": inner
        for name, message in messages.items()
        for inner in message.nested_type
        if not inner.options.map_entry
    }
    fields = {
        name: " ".join(f"{field.name}={field.number}" for field in message.field)
        for name, message in {**messages, **nested}.items()
    }
    assert fields == PUBLIC_NUMBERS
    assert (file.package, [service.name for service in file.service]) == (
        "inference",
        ["GRPCInferenceService"],
    )
    for method in file.service[0].method:
        assert method.input_type == f".inference.{method.name}Request"
        assert method.output_type == f".inference.{method.name}Response"


def undocumented(file: FileDescriptorProto) -> list[str]:
    """Names of messages, fields, enums, values, services and rpcs without a comment above them."""
    documented = {tuple(at.path) for at in file.source_code_info.location if at.leading_comments.strip()}
    places = {
        4: [(m.name, 2, [f.name for f in m.field]) for m in file.message_type],
        5: [(e.name, 2, [v.name for v in e.value]) for e in file.enum_type],
        6: [(s.name, 2, [r.name for r in s.method]) for s in file.service],
    }
    bare = []
    for kind, owners in places.items():
        for i, (owner, member_kind, members) in enumerate(owners):
            bare += [owner] if (kind, i) not in documented else []
            bare += [
                f"{owner}.{m}" for j, m in enumerate(members) if (kind, i, member_kind, j) not in documented
            ]
    return bare


def test_every_rpc_message_field_and_value_has_a_comment(described):
    """Nobody has to guess what a field means."""
    assert [name for file in described.values() for name in undocumented(file)] == []


def test_a_missing_comment_is_noticed(contract):
    """The test above can fail: without its comments, everything is named."""
    bare = FileDescriptorProto.FromString(contract.SerializeToString())
    bare.ClearField("source_code_info")
    assert {"Nodule.score", "AnalysisService.GetAnalysis", "TriageLevel"} <= set(undocumented(bare))


@pytest.fixture(scope="module", params=OURS)
def ours(described, request) -> FileDescriptorProto:
    """Each contract of our own."""
    return described[request.param]


def test_every_rpc_has_a_request_and_a_response_of_its_own(ours):
    """No two rpcs share a message, so each can grow by itself."""
    for method in (method for service in ours.service for method in service.method):
        assert method.input_type == f".millet.v1.{method.name}Request"
        assert method.output_type == f".millet.v1.{method.name}Response"


def test_the_names_follow_the_usual_rules(ours):
    """Versioned package, suffixed service, prefixed values with a zero: what buf's standard rules ask."""
    assert ours.package == "millet.v1"
    assert all(service.name.endswith("Service") for service in ours.service)
    for enum in ours.enum_type:
        prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.name).removeprefix("_")
        assert enum.value[0].name == f"{prefix}_UNSPECIFIED"
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)
    names = [field.name for message in ours.message_type for field in message.field]
    assert all(name == name.lower() for name in names)


def surface(file: FileDescriptorProto) -> dict[str, object]:
    """What others were compiled against: every call, field and value, by its full name."""
    found: dict[str, object] = {}
    for service in file.service:
        for method in service.method:
            streams = method.client_streaming, method.server_streaming
            found[f"{service.name}.{method.name}"] = method.input_type, method.output_type, streams
    for enum in file.enum_type:
        found |= {f"{enum.name}.{value.name}": value.number for value in enum.value}
    for message in file.message_type:
        for field in message.field:
            kind = field.type, field.type_name, field.label, field.proto3_optional
            found[f"{message.name}.{field.name}"] = field.number, kind
    return found


@pytest.fixture(scope="module")
def released() -> FileDescriptorProto:
    """Our contract as it was released."""
    files = FileDescriptorSet.FromString((ROOT / "proto" / "released.binpb").read_bytes()).file
    return next(file for file in files if file.package == "millet.v1")


def test_the_contract_is_only_ever_added_to(contract, released):
    """Whoever was compiled against the released one is understood, and understands."""
    now, before = surface(contract), surface(released)
    assert len(before) > 300
    assert {name: now.get(name) for name in before} == before


def test_a_broken_contract_is_noticed(contract, released):
    """A field that is gone, renumbered or of another type."""
    (nodule,) = [message for message in contract.message_type if message.name == "Nodule"]
    for change in ({"number": 77}, {"type": 9}, {"name": "other"}):
        broken = FileDescriptorProto.FromString(contract.SerializeToString())
        (its,) = [message for message in broken.message_type if message.name == nodule.name]
        for name, value in change.items():
            setattr(its.field[0], name, value)
        now, before = surface(broken), surface(released)
        assert {name: now.get(name) for name in before} != before


def test_fields_are_numbered_in_order_and_never_renumbered(contract):
    """The first numbers of each message are taken; new fields come behind."""
    messages = {message.name: message for message in contract.message_type}
    for name, released in NUMBERED.items():
        numbers = [field.number for field in messages[name].field]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= released
