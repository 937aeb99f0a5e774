"""Millet: streaming nodule triage beside a PACS."""

import os
import sys

# Both engines report their use to their makers, from any process that loads them, unless told not to first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO then takes its own stub

__version__ = "0.1.0"
