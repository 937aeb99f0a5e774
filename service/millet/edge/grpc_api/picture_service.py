"""PictureService: masks and pictures, made in threads, message by message."""

from __future__ import annotations

from collections.abc import AsyncIterator

from millet.edge.grpc_api.behaviours import Context
from millet.edge.grpc_api.picturing import Picturing
from millet.edge.grpc_api.service import answered, made_in_threads, streamed
from millet.edge.telemetry import Rpc, Telemetry
from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.proto.millet.v1 import picture_service_pb2_grpc as rpc


class PictureService(rpc.PictureServiceServicer):
    """The calls of the contract, which says what each does."""

    def __init__(self, picturing: Picturing, telemetry: Telemetry) -> None:
        self._picturing = picturing
        self._telemetry = telemetry

    async def StreamMasks(  # noqa: N802 - the rpc's name
        self, request: pb.StreamMasksRequest, context: Context
    ) -> AsyncIterator[pb.StreamMasksResponse]:
        """See the contract."""
        parts = made_in_threads(lambda: self._picturing.masks(request))
        async for part in streamed(self._telemetry, Rpc.STREAM_MASKS, context, parts):
            yield part

    async def ListPictures(  # noqa: N802 - the rpc's name
        self, request: pb.ListPicturesRequest, context: Context
    ) -> pb.ListPicturesResponse:
        """See the contract."""
        return await answered(
            self._telemetry, Rpc.LIST_PICTURES, context, lambda: self._picturing.list(request)
        )

    async def GetPicture(  # noqa: N802 - the rpc's name
        self, request: pb.GetPictureRequest, context: Context
    ) -> AsyncIterator[pb.GetPictureResponse]:
        """See the contract."""
        parts = made_in_threads(lambda: self._picturing.get(request))
        async for part in streamed(self._telemetry, Rpc.GET_PICTURE, context, parts):
            yield part
