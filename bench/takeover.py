"""`make bench-takeover`: two analysers on one PostgreSQL, one killed for good; how long its jobs then take.

All are whole processes on one shared folder: one receives and delivers, two analyse. Several series are
sent at once; when the first analyser has work in hand it is killed (SIGKILL) and never comes back. What
it had taken, or what waited for it, must be analysed by the other; the clock runs from the kill to the commit
of the last of these.
"""

from __future__ import annotations

import sys

from table import ROOT

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "service"))
