"""Submits a folder of DICOM files and prints how each series ends: submit.py HOST:PORT FOLDER [TOKEN]."""

import sys
from pathlib import Path

from millet_client import AnalysisFilter, Client, TriageLevel

if not sys.argv[2:]:
    sys.exit(__doc__)
address, folder, token = sys.argv[1], Path(sys.argv[2]), "".join(sys.argv[3:])
files, series = [one for one in sorted(folder.rglob("*")) if one.is_file()], set()
with Client(address, token=token, tls=None) as millet:  # tls=None: in the clear, for loopback alone
    for answer in millet.submit(files):
        if answer.accepted:
            series.add(answer.series_uid)
        else:
            print(files[answer.number - 1], answer.reason, answer.reason_text)
    for series_uid in sorted(series):
        for change in millet.watch(AnalysisFilter(series_uid=series_uid)):
            line = change.series
            if line.state in {"analysed", "not-analysed", "parked"}:
                print(line.accession, line.state, TriageLevel.Name(line.triage), line.nodules)
                break
