"""Whether destinations answer, before a report is on its way."""

from __future__ import annotations

import math

from listeners import Listener
from ports import free_port
from prometheus_client import CollectorRegistry
from pynetdicom import AE

from millet.app.probing import Probing
from millet.edge.telemetry import Telemetry
from millet.settings import DestinationSection, Settings

VERIFICATION = "1.2.840.10008.1.1"


def pacs(name: str, port: int) -> DestinationSection:
    """A destination in the clear, on loopback."""
    return DestinationSection(name=name, kind="dicom", to=f"{name}@127.0.0.1:{port}", tls=False)


def web(name: str, port: int) -> DestinationSection:
    """Likewise, over HTTP."""
    return DestinationSection(name=name, kind="http", to=f"http://127.0.0.1:{port}/x", tls=False)


def test_each_destination_says_whether_it_is_there():
    """A PACS by C-ECHO, a server by its port; whom nobody listens for is away, and a folder is not asked."""
    entity = AE(ae_title="PACS")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        with Listener(lambda _line: None) as listener:
            sections = (
                pacs("PACS", server.server_address[1]),
                pacs("GONE", free_port()),
                web("HOOK", listener.port),
                web("DOWN", free_port()),
            )
            chosen = Settings(destinations=sections)
            registry = CollectorRegistry()
            names = [one.name for one in chosen.all_destinations]
            Probing(chosen, Telemetry(registry, "0", names).leaving).step()
    finally:
        server.shutdown()
    told = {
        name: registry.get_sample_value("millet_destination_answers", {"destination": name}) for name in names
    }
    assert math.isnan(told.pop("folder"))
    assert told == {"PACS": 1, "GONE": 0, "HOOK": 1, "DOWN": 0}


def test_without_a_canary_nobody_is_asked():
    """A site that has not asked for it sees no traffic of ours."""
    with Listener(lambda _line: None) as listener:
        part = Probing(
            Settings(destinations=(web("HOOK", listener.port),)), Telemetry(CollectorRegistry(), "0").leaving
        ).part()
        part.start()
        part.stop(1.0)
        assert listener.connections == 0
