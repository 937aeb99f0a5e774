"""What the reference of the gRPC API says is done, by a client that knows what reflection tells alone."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest
from analyses import analysis
from archives import NAME
from dense_masks import box_of
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_bench import Bench
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_submits import HandDesk, Receiver
from instances import ct_file
from worklists import status

from millet.core.analysis import TriageLevel
from millet.core.roles import RPCS
from millet.edge.grpc_api import Inward
from millet.ports import PulledSeries, PullEnd, PullState
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import picture_service_pb2 as pictures
from millet.proto.millet.v1 import submission_service_pb2 as submission

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "grpc.md").read_text("utf-8")
FILES = pb, submission, pictures
SERVICES = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
COMMAND = re.compile(
    r"^(?:(.*) \| )?buf curl --protocol grpc --http2-prior-knowledge "
    r"-d (?:'(.*)'|@-) http://127.0.0.1:50051/([\w.]+)/(\w+)$",
    re.MULTILINE,
)


class Command(NamedTuple):
    """A command of the page."""

    before: str
    """What is piped into it, for the shell; empty for nothing."""
    body: str
    service: str
    method: str

    def requests(self, folder: Path) -> list[dict]:
        """What it sends, when it is given in a folder."""
        if not self.before:
            return [json.loads(self.body)]
        told = subprocess.run(
            ["sh", "-c", self.before], cwd=folder, check=True, capture_output=True, text=True, timeout=60
        )
        return [json.loads(line) for line in told.stdout.splitlines()]


COMMANDS = [Command(*found) for found in COMMAND.findall(PAGE)]


def test_every_call_is_documented_with_its_role_and_a_command():
    """A call that somebody adds is in the table, and shown."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)` \|$", PAGE, re.MULTILINE)
    methods = {method.name: one.full_name for one in SERVICES for method in one.methods}
    assert dict(rows) == {name: str(RPCS[f"/{service}/{name}"]) for name, service in methods.items()}
    assert {command.method: command.service for command in COMMANDS} == methods
    assert PAGE.count("buf curl") == len(COMMANDS) + 1


def answers(channel: grpc.Channel, command: Command, folder: Path) -> Iterator[dict]:
    """What a call answers, with messages made of what reflection tells alone."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(command.service).FindMethodByName(command.method)
    kind = GetMessageClass(method.input_type)
    sent = [json_format.ParseDict(one, kind()) for one in command.requests(folder)]
    request = iter(sent) if method.client_streaming else sent[0]
    name = f"{'stream' if method.client_streaming else 'unary'}_"
    call = getattr(channel, name + ("stream" if method.server_streaming else "unary"))(
        f"/{command.service}/{command.method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    if not method.server_streaming:
        yield json_format.MessageToDict(call(request, timeout=30))
        return
    stream = call(request, timeout=30)
    yield json_format.MessageToDict(next(stream))
    stream.cancel()


@pytest.fixture
def bench() -> Bench:
    """A server with the series of the page, an archive, and room for more."""
    desk = HandDesk("pacs")
    desk.state = PullState((PulledSeries(NAME, 3, 3),), PullEnd.COMPLETE)
    made = Bench(inward=Inward(site="default", submissions=Receiver().submissions(), pulls=desk))
    line = made.worklist.put(status(1, analysed_generation=1), analysis(2))
    made.readers.levels[line.key] = (1, TriageLevel.NOTABLE)
    masks = pictures.StreamMasksResponse(generation=1, masks=[pictures.NoduleMask(number=1, runs=[0, 1])])
    made.worklist.objects[line.key, "masks.pb"] = masks.SerializeToString()
    made.worklist.objects[line.key, "mip-coronal.png"] = b"a picture"
    return made


def test_the_commands_of_the_page_do_what_they_say(bench, tmp_path):
    """One after the other, as a reader would try them; each is answered with something."""
    got = []
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(ct_file(1))

    async def test(_stub):
        target = f"127.0.0.1:{bench.port}"

        def ask() -> None:
            with grpc.insecure_channel(target) as channel:
                got.extend(
                    (command.method, next(answers(channel, command, tmp_path))) for command in COMMANDS
                )

        await asyncio.to_thread(ask)

    bench.run(test)
    assert [method for method, _ in got] == [command.method for command in COMMANDS]
    found = dict(got)
    assert found["WatchSeries"]["final"] is True
    assert found["GetAnalysis"]["totalNodules"] == 2
    assert found["SubmitInstances"]["accepted"] is True
    assert found["PullSeries"]["complete"] is True
    assert found["ListFeedback"]["feedback"][0]["opinion"] == "OPINION_MISSED"
    assert found["EvaluateCriteria"]["judgements"][0]["criteria"] == "brain-miliary-mr"
    assert found["StreamMasks"]["totalMasks"] == 1
    assert found["ListPictures"]["pictures"][0]["projection"] == "PROJECTION_CORONAL"
    assert found["GetPicture"]["totalBytes"] == "9"
    assert len(bench.readers.said) == 3


def test_the_page_says_how_a_mask_is_read():
    """Its lines of Python make the box that the contract tells of, whatever the last run leaves off."""
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for runs in ([0, 24], [3, 2, 1, 5], [23, 1], [0, 1]):
        mask = pictures.NoduleMask(planes=2, rows=3, columns=4, runs=runs)
        told = {"np": np, "mask": mask}
        exec(lines, told)
        assert np.array_equal(told["box"], box_of(mask))
