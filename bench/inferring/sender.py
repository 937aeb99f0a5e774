"""A scanner that sends at a stated pace and costs next to nothing: one association, PDUs made beforehand.

`python -m inferring.sender PORT FOLDER SLICES_PER_S CALLING_AE [SEED]` sends a folder as a series of its own
(UIDs are made from the seed, of the same length, so that the same slices make any number of series) and
prints, as JSON, the time at which the last response came, on the clock that all processes share.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from dimse import messages
from dimse.association import Association


def main() -> None:
    """Send one series."""
    port, folder, pace, calling, *seed = sys.argv[1:]
    told = send(int(port), Path(folder), float(pace), calling, seed[0] if seed else "")
    sys.stdout.write(json.dumps({"last_s": told}) + "\n")


def send(port: int, folder: Path, slices_per_s: float, calling_ae: str, seed: str) -> float:
    """Send a folder; the moment (`time.time`) at which the last slice was acknowledged."""
    instances = [messages.Instance.of_file(path.read_bytes()) for path in sorted(folder.glob("*.dcm"))]
    with Association(port, instances[0].syntax, calling_ae) as association:
        longest = association.longest_pdu_bytes
        requests = [_request(number, one, seed, longest) for number, one in enumerate(instances)]
        del instances
        begun = time.perf_counter()
        for number, request in enumerate(requests):
            time.sleep(max(begun + number / slices_per_s - time.perf_counter(), 0))
            association.store(*request)
        return time.time()


def _request(number: int, one: messages.Instance, seed: str, longest: int) -> tuple[bytes, bytes]:
    head = messages.renamed(one.head, seed)
    return messages.beginning(number, head, longest), messages.ending(one.rest, longest)


def renamed_series_uid(path: Path, seed: str) -> str:
    """The Series Instance UID under which an instance is sent with a seed."""
    one = messages.Instance.of_file(path.read_bytes())
    return messages.uid(messages.renamed(one.head, seed), messages.SERIES)


if __name__ == "__main__":
    main()
