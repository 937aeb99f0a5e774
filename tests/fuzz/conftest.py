"""Fuzzers are programs too (bench/fuzz.py): their modules are found here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
