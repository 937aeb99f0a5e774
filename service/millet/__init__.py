"""Millet: streaming nodule triage beside a PACS."""

__version__ = "0.1.0"
