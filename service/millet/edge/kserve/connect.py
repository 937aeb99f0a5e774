"""A remote detector from the manifest that lies here: named by it, held to its digest, and proved."""

from __future__ import annotations

import logging

import torch

from millet.core.manifest import Manifest
from millet.edge.kserve.client import KServeDetector
from millet.edge.kserve.contract import WrongGraph, served_name
from millet.edge.kserve.probe import probe_window, verify
from millet.edge.kserve.transport import Endpoint
from millet.errors import ModelError
from millet.ports import Detector

log = logging.getLogger(__name__)


def connect(
    endpoint: Endpoint, manifest: Manifest, graph: str, precision: str, local: Detector | None
) -> KServeDetector:
    """The detector that runs a graph of a model elsewhere. Blocks.

    Args:
        endpoint: where.
        manifest: of the model, from the local models folder; thresholds and grids are never the server's.
        graph: its name in the manifest.
        precision: in which the graph is served.
        local: the same graph in the same precision on this machine's CPU, for the proof; None where its
            file is not here, and the server has to be believed, or the digest that Millet's own one tells.

    Raises ModelError where the server has not this graph, or gives other peaks than `local`; DetectorError
    where it does not answer.
    """
    digests = [g.digest for g in manifest.in_use(precision) if g.name == graph]
    if not digests:
        raise ModelError(f"model {manifest.name}/{manifest.version} has no graph {graph}")
    window = probe_window(manifest, graph)
    name = served_name(manifest, graph, precision)
    remote = KServeDetector(endpoint, name, precision=precision, digest=digests[0])
    try:
        if local is not None:
            verify(local, remote, window)
        elif not _told_digest(remote, window):
            log.warning("%s is not proved: its graph is not here, and it tells no digest", remote)
    except BaseException:
        remote.close()
        raise
    return remote


def _told_digest(remote: KServeDetector, window: torch.Tensor) -> str:
    """The digest that a server tells with an answer; it is the right one, or empty. Raises ModelError."""
    try:
        remote.detect(window[None])
    except WrongGraph as error:
        raise ModelError(str(error)) from error
    return remote.told_digest
