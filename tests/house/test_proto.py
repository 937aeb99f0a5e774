"""The gRPC contract: documented, numbered for good, and what is committed is what it generates."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]
PROTO = "millet/proto/millet/v1/analysis_service.proto"
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


def protoc(*options: str) -> None:
    """Run the compiler as `make proto` does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-Imillet/proto={ROOT / 'proto'}", *options, PROTO]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


@pytest.fixture(scope="module")
def contract(tmp_path_factory) -> FileDescriptorProto:
    """The contract with its comments."""
    found = tmp_path_factory.mktemp("proto") / "set"
    protoc(f"--descriptor_set_out={found}", "--include_source_info")
    (file,) = FileDescriptorSet.FromString(found.read_bytes()).file
    return file


def test_the_committed_modules_are_what_the_contract_generates(tmp_path):
    """A change of the contract without `make proto` fails here."""
    protoc(
        *(f"--{kind}={tmp_path}" for kind in ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out"))
    )
    made = {p.relative_to(tmp_path): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    committed = {p: (ROOT / "service" / p).read_text() for p in made}
    assert len(made) == 4
    assert made == committed


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


def test_every_rpc_message_field_and_value_has_a_comment(contract):
    """Nobody has to guess what a field means."""
    assert undocumented(contract) == []


def test_a_missing_comment_is_noticed(contract):
    """The test above can fail: without its comments, everything is named."""
    bare = FileDescriptorProto.FromString(contract.SerializeToString())
    bare.ClearField("source_code_info")
    assert {"Nodule.score", "AnalysisService.GetAnalysis", "TriageLevel"} <= set(undocumented(bare))


def test_every_rpc_has_a_request_and_a_response_of_its_own(contract):
    """No two rpcs share a message, so each can grow by itself."""
    for method in contract.service[0].method:
        assert method.input_type == f".millet.v1.{method.name}Request"
        assert method.output_type == f".millet.v1.{method.name}Response"


def test_the_names_follow_the_usual_rules(contract):
    """Versioned package, suffixed service, prefixed values with a zero: what buf's standard rules ask."""
    assert contract.package == "millet.v1"
    assert all(service.name.endswith("Service") for service in contract.service)
    for enum in contract.enum_type:
        prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.name).removeprefix("_")
        assert enum.value[0].name == f"{prefix}_UNSPECIFIED"
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)
    names = [field.name for message in contract.message_type for field in message.field]
    assert all(name == name.lower() for name in names)


def test_fields_are_numbered_in_order_and_never_renumbered(contract):
    """The first numbers of each message are taken; new fields come behind."""
    messages = {message.name: message for message in contract.message_type}
    for name, released in NUMBERED.items():
        numbers = [field.number for field in messages[name].field]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= released
