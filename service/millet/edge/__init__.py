"""Sockets, disk, device, database and pages: adapters without decisions."""
