"""The detectors of this process for others, by the KServe v2 protocol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from millet.app.doors import Doors
from millet.app.gate import api_gate
from millet.edge import kserve
from millet.edge.grpc_api import credentials, shown
from millet.flow.batcher import Batcher
from millet.flow.lending import Lending
from millet.flow.model import Model

ENDS_WITHIN_S = 2.0
THREADS = 4
"""Requests whose windows are held, of at most 128 MiB each; further ones wait with theirs at the caller."""


class LentDetectors:
    """A server on a port of its own, where the settings name one."""

    def __init__(self, doors: Doors, batcher: Batcher, models: Iterable[Model]) -> None:
        self._settings = doors.settings
        self._server: kserve.KServeServer | None = None
        if not self._settings.kserve_port:
            return
        tls = doors.tls(require=False)
        asks = self._settings.grpc_client_certificates
        self._server = kserve.KServeServer(
            {
                name: replace(served, look=Lending(batcher, served.detector).look)
                for model in models
                for reader in model.readers
                for name, served in kserve.catalogue(reader.manifest, reader.detectors).items()
            },
            threads=THREADS,
            tls=None if tls is None else credentials(tls.pems, require=asks),
            guard=kserve.Guard(api_gate(doors), shown),
        )

    def start(self) -> None:
        """Listen. Raises OSError where the port is taken, DetectorError where a graph cannot run."""
        if self._server:
            self._server.start(self._settings.host, self._settings.kserve_port)

    def stop(self) -> None:
        """Take nothing more; what is looked at may end for a moment."""
        if self._server:
            self._server.stop(ENDS_WITHIN_S)
