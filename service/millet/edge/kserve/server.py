"""A small KServe v2 server: detectors by their names, over gRPC, on loopback unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import grpc

from millet.core.manifest import Manifest
from millet.edge.kserve.contract import served_name
from millet.edge.kserve.guard import Guard
from millet.edge.kserve.probe import probe_window, smallest_window
from millet.edge.kserve.service import InferenceService, Served
from millet.edge.kserve.transport import LIMITS, Tls
from millet.ports import Detector
from millet.proto.inference import grpc_service_pb2_grpc as rpc


def catalogue(manifest: Manifest, detectors: Mapping[str, Detector]) -> dict[str, Served]:
    """What a server needs to serve a model: its detectors by graph become graphs by their served names."""
    found = {}
    for graph, detector in detectors.items():
        name = served_name(manifest, graph, detector.precision)
        (digest,) = (g.digest for g in manifest.in_use(detector.precision) if g.name == graph)
        found[name.model] = Served(
            detector=detector,
            version=name.version,
            digest=digest,
            first=probe_window(manifest, graph),
            smallest=smallest_window(manifest, graph),
        )
    return found


class KServeServer:
    """One server. Whoever reaches its port may use it, but for a guard: on another host give it TLS.

    Args:
        models: what is served, by name.
        threads: calls that are worked on at a time, and whose windows are held; further ones wait.
        tls: None for none.
        guard: who may call; None for everybody.
    """

    def __init__(
        self,
        models: Mapping[str, Served],
        *,
        threads: int = 4,
        tls: Tls | grpc.ServerCredentials | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._models = models
        self._threads = threads
        self._tls = tls
        self._guard = guard
        self._server: grpc.Server | None = None

    def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Run each model once, listen, and return the port (a free one for 0).

        Blocks; raises DetectorError where a model cannot run, OSError where the port is taken,
        SettingsError where a PEM file cannot be read.
        """
        credentials = self._tls.server() if isinstance(self._tls, Tls) else self._tls
        service = InferenceService(self._models)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="kserve")
        limits = LIMITS if self._guard is None else self._guard.limits
        server = grpc.server(
            self._pool,
            interceptors=[self._guard] if self._guard else [],
            options=(*limits, ("grpc.so_reuseport", 0)),
        )
        rpc.add_GRPCInferenceServiceServicer_to_server(service, server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if credentials:
                bound = server.add_secure_port(address, credentials)
            else:
                bound = server.add_insecure_port(address)
        except RuntimeError as error:
            self._pool.shutdown()
            raise OSError(f"KServe cannot listen on {host}:{port}") from error
        server.start()
        self._server = server
        return bound

    def stop(self, grace_s: float = 0.0) -> None:
        """Refuse new calls, let others finish for `grace_s` seconds, then end them. Blocks; twice is once."""
        if self._server:
            self._server.stop(grace_s).wait()
            self._pool.shutdown()
            self._server = None
