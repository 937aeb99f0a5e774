"""Who looks at a service all day: viewers by gRPC, readers with the page open, and Prometheus."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping

import grpc

from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub
from soaking.processes import page

SCRAPE_S = 15.0
READ_S = 30.0
AGAIN_S = 2.0
VIEWERS, READERS = 3, 2
TIMEOUT_S = 60.0
WATCH_S = 900.0
"""A watch lasts so long at most; then it is resumed, as by a viewer that was closed and opened."""


class Watchers:
    """All who look. Each has a thread of its own and goes on after every failure, which is counted."""

    def __init__(self, grpc_port: int, web_port: int, metrics_ports: Mapping[str, int]) -> None:
        self._grpc_port, self._web_port, self._metrics_ports = grpc_port, web_port, metrics_ports
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.failures = 0
        self.changes = 0
        """Messages that viewers and readers were told."""
        self.metrics: dict[str, str] = {}
        """What each process told Prometheus last."""
        looks: list[Callable[[], None]] = [self._view] * VIEWERS + [self._read] * READERS
        looks += [self._browse, self._scrape]
        self._threads = [threading.Thread(target=self._again, args=(look,), daemon=True) for look in looks]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    def _again(self, look: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                look()
            except (OSError, grpc.RpcError, http.client.HTTPException):
                with self._lock:
                    self.failures += not self._stop.is_set()
                self._stop.wait(AGAIN_S)

    def _told(self) -> None:
        with self._lock:
            self.changes += 1

    def _view(self) -> None:
        """Watch every series, resumed where the last watch ended, and fetch what was analysed."""
        token = ""
        with grpc.insecure_channel(f"127.0.0.1:{self._grpc_port}") as channel:
            stub = AnalysisServiceStub(channel)
            while not self._stop.is_set():
                request = pb.WatchAnalysesRequest(resume_token=token)
                try:
                    for change in stub.WatchAnalyses(request, timeout=WATCH_S):
                        token = change.resume_token
                        self._told()
                        if self._stop.is_set():
                            return
                except grpc.RpcError as ended:
                    if ended.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                        raise

    def _read(self) -> None:
        """Keep the page's stream of events open."""
        connection = http.client.HTTPConnection("127.0.0.1", self._web_port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/events")
            answer = connection.getresponse()
            while not self._stop.is_set() and (line := answer.readline()):
                if line.startswith(b"data"):
                    self._told()
        finally:
            connection.close()

    def _browse(self) -> None:
        """Open the worklist, and the series on top of it with its list of nodules."""
        page(self._web_port, "")
        with grpc.insecure_channel(f"127.0.0.1:{self._grpc_port}") as channel:
            stub = AnalysisServiceStub(channel)
            listed = stub.ListAnalyses(pb.ListAnalysesRequest(page_size=20), timeout=TIMEOUT_S)
            for series in listed.series:
                if series.state == "analysed":
                    request = pb.GetAnalysisRequest(site=series.site, series_uid=series.series_uid)
                    stub.GetAnalysis(request, timeout=TIMEOUT_S)
                    page(self._web_port, f"series/{series.site}/{series.series_uid}")
                    break
        self._stop.wait(READ_S)

    def _scrape(self) -> None:
        for name, port in self._metrics_ports.items():
            text = page(port, "metrics")
            with self._lock:
                self.metrics[name] = text
        self._stop.wait(SCRAPE_S)
