"""The canary through the whole service: what it tells operators, and whom it does not reach."""

from __future__ import annotations
