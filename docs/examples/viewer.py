"""Prints the worklist as it changes, and the nodules of what is analysed: viewer.py HOST:PORT [TOKEN]."""

import sys

from millet_client import Client, TriageLevel

address, *token = sys.argv[1:] or sys.exit(__doc__)
with Client(address, token="".join(token), tls=None) as millet:  # tls=None: in the clear, for loopback alone
    for change in millet.watch():
        line = change.series
        print(line.accession, line.state, TriageLevel.Name(line.triage), line.nodules, flush=True)
        for nodule in millet.analysis(line).nodules if line.analysed_generation else ():
            at = nodule.centre_mm
            print(f"  {at.x:.1f} {at.y:.1f} {at.z:.1f} mm  {nodule.diameter_mm:.1f} mm", flush=True)
