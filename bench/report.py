"""What a radiologist reads: how well it is measured and judged, and what writing it takes.

`make bench-report` measures all of it; `ONLY=measuring,images make bench-report` some of it, beside what was
measured before. Each part is a module of `reporting` with `rows()`.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
from importlib import import_module

import reporting
from table import read, write

PARTS = tuple(sorted(module.name for module in pkgutil.iter_modules(reporting.__path__)))


def main() -> None:
    """Measure, print the table and write it after each part, so that a cut costs one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    told = "this part, beside what was measured before; may be repeated"
    parser.add_argument("--only", choices=PARTS, action="append", help=told)
    only = [part for part in os.environ.get("ONLY", "").split(",") if part]
    chosen = parser.parse_args([word for part in only for word in ("--only", part)] or None)
    rows = {row.name: row for row in (read("report") if chosen.only else [])}
    for part in chosen.only or PARTS:
        print(f"{part} ...", flush=True)
        rows |= {row.name: row for row in import_module(f"reporting.{part}").rows()}
        write("report", list(rows.values()))


if __name__ == "__main__":
    main()
