"""The DICOM port: associations accepted, instances handed to where they become durable."""

from millet.edge.scp.association import Answer, Behind, Caller, Came, Refusal, Service
from millet.edge.scp.commands import Command
from millet.edge.scp.server import Listen, StorageScp

__all__ = ["Answer", "Behind", "Caller", "Came", "Command", "Listen", "Refusal", "Service", "StorageScp"]
