"""Exit 1 and list them when tests of a JUnit file were skipped, or when it holds no tests at all."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def skipped(junit: str) -> list[str]:
    """List the skipped tests, each with its reason; raises ValueError when there are no tests."""
    cases = list(ET.fromstring(junit).iter("testcase"))  # noqa: S314 - written by our own pytest
    if not cases:
        raise ValueError("no test was run")
    return [
        f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
        for case in cases
        for skip in case.iter("skipped")
    ]


def main(path: str) -> int:
    """Print what was skipped."""
    found = skipped(Path(path).read_text("utf-8"))
    print("\n".join(["skipped tests are failures here:", *found] if found else ["no test was skipped"]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
