"""Many scanners that send as fast as they are answered, so that the receiver is the limit and not they.

`python -m ingesting.load PORT FOLDER ASSOCIATIONS EACH SEED` is one process an association, all forked with
the same PDUs in memory. Each sends `EACH` instances as series of its own, with one request outstanding, after
some that do not count. All begin at once. What was sent, acknowledged and when is printed as JSON, in seconds
of the clock that all processes share (`time.perf_counter`).
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

from dimse import messages
from dimse.association import Association

WARMING = 10
"""Instances of each association before time counts: a receiver runs for months, not for seconds."""
TOGETHER_S = 60.0
"""The longest wait for the other associations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one association did."""

    begun_s: float
    ended_s: float
    """When its last instance was acknowledged."""
    cpu_s: float
    latencies_s: Sequence[float]
    """From a request to its success, one by one."""
    acknowledged: Sequence[str]
    """SOP Instance UIDs, those that warmed included."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What all associations share."""

    port: int
    syntax: str
    longest_pdu_bytes: int
    heads: Sequence[bytes]
    endings: Sequence[bytes]
    each: int
    seed: str
    together: Barrier


def main() -> None:
    """Send what the command line says."""
    port, folder, associations, each, seed = sys.argv[1:]
    sent = load(int(port), Path(folder), int(associations), int(each), seed)
    sys.stdout.write(json.dumps([asdict(one) for one in sent]) + "\n")


def load(port: int, folder: Path, associations: int, each: int, seed: str) -> list[Sent]:
    """Send a folder's instances over so many associations at once.

    Raises OSError, ConnectionError included, when one instance was not acknowledged with success.
    """
    instances = read(folder)
    syntax = instances[0].syntax
    with Association(port, syntax) as association:
        longest = association.longest_pdu_bytes
    fork = multiprocessing.get_context("fork")
    prepared = _Prepared(
        port=port,
        syntax=syntax,
        longest_pdu_bytes=longest,
        heads=[one.head for one in instances],
        endings=[messages.ending(one.rest, longest) for one in instances],
        each=each,
        seed=seed,
        together=fork.Barrier(associations),
    )
    del instances
    gc.collect()
    gc.freeze()  # else each process would copy the pages that it counts references on
    with ProcessPoolExecutor(associations, fork, _begin, (prepared,)) as pool:
        return list(pool.map(_send, range(associations)))


def read(folder: Path) -> list[messages.Instance]:
    """A folder's instances, in the order of their names."""
    return [messages.Instance.of_file(path.read_bytes()) for path in sorted(folder.glob("*.dcm"))]


def series(heads: Sequence[bytes], each: int, seed: str, association: int) -> Iterator[tuple[int, bytes]]:
    """What one association sends: which instance, and its head. A new series begins when all were sent."""
    for number in range(each + WARMING):
        turn, index = divmod(number, len(heads))
        yield index, messages.renamed(heads[index], f"{seed}/{association}/{turn}")


_shared: list[_Prepared] = []
"""What this process was forked with: it is not to be pickled."""


def _begin(prepared: _Prepared) -> None:
    gc.disable()
    _shared.append(prepared)


def _send(association: int) -> Sent:
    mine = _shared[0]
    requests = [
        (
            messages.uid(head, messages.SOP_INSTANCE),
            messages.beginning(number, head, mine.longest_pdu_bytes),
            mine.endings[index],
        )
        for number, (index, head) in enumerate(series(mine.heads, mine.each, mine.seed, association))
    ]
    latencies_s = []
    try:
        with Association(mine.port, mine.syntax) as peer:
            for _, beginning, ending in requests[:WARMING]:
                peer.store(beginning, ending)
            mine.together.wait(TOGETHER_S)
            begun_s, cpu_s = time.perf_counter(), time.process_time()
            before_s = begun_s
            for _, beginning, ending in requests[WARMING:]:
                peer.store(beginning, ending)
                now_s = time.perf_counter()
                latencies_s.append(now_s - before_s)
                before_s = now_s
            cpu_s = time.process_time() - cpu_s
    except Exception as error:
        sys.stderr.write(f"association {association}: {error}\n")
        mine.together.abort()  # nobody waits for this one
        raise
    return Sent(
        begun_s=begun_s,
        ended_s=before_s,
        cpu_s=cpu_s,
        latencies_s=latencies_s,
        acknowledged=[uid for uid, _, _ in requests],
    )


if __name__ == "__main__":
    main()
