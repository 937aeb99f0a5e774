"""Whether destinations answer, asked with each canary: known before a report has to wait for one."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass, replace

from millet.app.certificates import address
from millet.app.delivering import destination
from millet.edge.destinations import StorageScu
from millet.edge.telemetry import Leaving
from millet.errors import DeliveryError
from millet.flow.lifecycle import Loop, Part
from millet.settings import DestinationSection, Settings

log = logging.getLogger(__name__)

WITHIN_S = 10.0


@dataclass(frozen=True)
class Probing:
    """Asks each destination of this process."""

    chosen: Settings
    metrics: Leaving

    def part(self) -> Part:
        """Make the part; one that does nothing where there is no canary."""
        every_s = self.chosen.canary_every_s
        if not every_s:
            return Part(name="probing")
        loop = Loop("probing", self.step, every_s)

        def stop(_within_s: float) -> bool:
            loop.stop(0.0)  # a question that is out is nobody's loss
            return True

        return Part(name="probing", start=loop.start, stop=stop)

    def step(self) -> None:
        """Ask each of them once: by C-ECHO, or else whether it can be connected to. A folder is not asked."""
        for section in self.chosen.all_destinations:
            if section.kind == "folder":
                continue
            why = self._why_not(section)
            self.metrics.answers(section.name, is_so=not why)
            if why:
                log.warning("a destination does not answer", extra={"destination": section.name, "why": why})

    def _why_not(self, section: DestinationSection) -> str:
        try:
            asked = destination(replace(section, timeout_s=min(section.timeout_s, WITHIN_S)), self.chosen)
            if isinstance(asked, StorageScu):
                asked.echo()
            else:
                socket.create_connection(address(section), WITHIN_S).close()
        except (DeliveryError, OSError) as failure:
            return str(failure) if isinstance(failure, DeliveryError) else type(failure).__name__
        return ""
