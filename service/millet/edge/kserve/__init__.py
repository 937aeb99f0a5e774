"""Detectors elsewhere, over the KServe v2 protocol: the client, its proof at start, and a small server."""

from millet.edge.kserve.client import KServeDetector
from millet.edge.kserve.connect import connect
from millet.edge.kserve.contract import Name, served_name
from millet.edge.kserve.guard import Guard
from millet.edge.kserve.probe import probe_window, verify
from millet.edge.kserve.server import KServeServer, catalogue
from millet.edge.kserve.service import Served
from millet.edge.kserve.transport import Endpoint, Tls

__all__ = [
    "Endpoint",
    "Guard",
    "KServeDetector",
    "KServeServer",
    "Name",
    "Served",
    "Tls",
    "catalogue",
    "connect",
    "probe_window",
    "served_name",
    "verify",
]
