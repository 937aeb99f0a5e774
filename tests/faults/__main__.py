"""`make faults`: seeds one after the other, each judged by the ledger; goes on where it was stopped."""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from faults import cluster, disk
from faults.ledger import Violation
from faults.nursery import Nursery
from faults.plan import Means, draw
from faults.storm import Ground, Outcome, play

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWNS = 0x00020000


def main() -> int:
    """Play the seeds that are asked for and not yet played; 1 where a promise was not kept."""
    asked = _arguments()
    _own_mounts()
    means = _means()
    results = Path(asked.results)
    results.parent.mkdir(parents=True, exist_ok=True)
    digest = _digest(asked.mutate)
    done = {} if asked.anew else _played(results, digest)
    seeds = [asked.first + number for number in range(asked.seeds)]
    todo = [seed for seed in seeds if seed not in done]
    print(_allowed(means), flush=True)
    if len(todo) < len(seeds):
        print(f"{len(seeds) - len(todo)} of {len(seeds)} seeds were played before", flush=True)
    for outcome in _play(todo, means, asked) if todo else ():
        done[outcome.seed] = line = json.loads(json.dumps(asdict(outcome)))
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"of": digest, **line}) + "\n")
        print(_line(line), flush=True)
    lines = [done[seed] for seed in seeds]
    print(_table(lines))
    return 1 if any(line["violations"] for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--results", default=str(ROOT / "build" / "faults" / "results.jsonl"))
    parser.add_argument("--anew", action="store_true", help="also those that were played before")
    parser.add_argument("--mutate", action="append", default=[], help="break the product on purpose")
    return parser.parse_args()


def _play(seeds: Sequence[int], means: Means, asked: argparse.Namespace) -> Iterable[Outcome]:
    nursery = Nursery()
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=memory))
    folder.chmod(0o755)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    clusters = cluster.template(folder / "template") if means.postgresql else None
    ground = Ground(
        nursery=nursery,
        folder=folder,
        kept=Path(asked.results).parent,
        disks=means.disks,
        clusters=clusters,
        mutations=asked.mutate,
    )
    try:
        with ThreadPoolExecutor(asked.jobs) as pool:
            try:
                for done in as_completed([pool.submit(_one, seed, means, ground) for seed in seeds]):
                    yield done.result()
            except (KeyboardInterrupt, SystemExit):
                _leave(nursery, folder)
    finally:
        nursery.close()
        shutil.rmtree(folder, ignore_errors=True)


def _leave(nursery: Nursery, folder: Path) -> NoReturn:
    """Stopped in the middle: the next run goes on; nothing is left behind but results."""
    nursery.close()
    for disk_root in folder.glob("seed-*/disk"):
        subprocess.run(["umount", "-l", str(disk_root)], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(130)


def _one(seed: int, means: Means, ground: Ground) -> Outcome:
    """A seed; where the harness itself fails, that is a violation too."""
    plan = draw(seed, means)
    try:
        return play(plan, ground)
    except Exception:  # noqa: BLE001 - it is told, and the other seeds go on
        broken = [Violation("harness", traceback.format_exc())]
        nothing: dict[str, int] = {}
        return Outcome(
            seed=seed,
            topology=plan.setting.topology,
            database=plan.setting.database,
            destination=plan.setting.destination,
            faults=[str(fault) for fault in plan.faults],
            acked=0,
            responses=0,
            statuses=nothing,
            series=0,
            outcomes=0,
            reports=0,
            lives=0,
            power_cuts=0,
            deaths=nothing,
            took_s=0.0,
            violations=broken,
        )


def _own_mounts() -> None:
    """Mounts of ours are seen by nobody else, and go with us."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)


def _means() -> Means:
    return Means(disks=disk.to_be_had(), postgresql=cluster.to_be_had())


def _allowed(means: Means) -> str:
    no = [
        "no loop devices (root is needed): no disk is full and no power is cut" if not means.disks else "",
        "no PostgreSQL: every journal is SQLite" if not means.postgresql else "",
    ]
    return "; ".join(part for part in no if part) or "every fault there is can be had here"


def _digest(mutations: Sequence[str]) -> str:
    """Of the service and of this harness: results of another one do not count."""
    whole = hashlib.sha256(",".join(mutations).encode())
    for folder in ("service/millet", "tests/faults"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _played(results: Path, digest: str) -> dict[int, dict[str, Any]]:
    if not results.exists():
        return {}
    lines = [json.loads(line) for line in results.read_text("utf-8").splitlines() if line.endswith("}")]
    return {line["seed"]: line for line in lines if line["of"] == digest}


def _line(line: dict[str, Any]) -> str:
    said = (
        f"seed {line['seed']:5d}  {line['topology']:13s} {line['database']:10s} {line['destination']:6s} "
        f"{line['acked']:4d} acknowledged  {line['series']} series  {line['lives']:2d} lives  "
        f"{line['power_cuts']} power cuts  {line['took_s']:5.1f} s  "
    )
    if not line["violations"]:
        return said + "kept"
    broken = "".join(f"\n    {rule}: {what}" for rule, what in line["violations"])
    again = f"\n    again: make faults SEEDS=1 FIRST={line['seed']} ANEW=1"
    return f"{said}BROKEN{broken}\n    faults: {'; '.join(line['faults'])}{again}"


def _table(lines: Sequence[dict[str, Any]]) -> str:
    kinds = Counter(_kind(fault) for line in lines for fault in line["faults"])
    rules = Counter(rule for line in lines for rule, _ in line["violations"])
    broken = [str(line["seed"]) for line in lines if line["violations"]]
    rows = {
        "seeds": len(lines),
        "instances acknowledged": sum(line["acked"] for line in lines),
        "series": sum(line["series"] for line in lines),
        "outcomes, of all generations": sum(line["outcomes"] for line in lines),
        "reports": sum(line["reports"] for line in lines),
        "responses of success": sum(line["responses"] for line in lines),
        "responses of refusal": sum(_refusals(line) for line in lines),
        "processes started": sum(line["lives"] for line in lines),
        "processes that ended before the end": sum(sum(line["deaths"].values()) for line in lines),
        "power cuts, the last ones included": sum(line["power_cuts"] for line in lines),
        **{f"fault: {kind}": number for kind, number in sorted(kinds.items())},
        **{f"BROKEN: {rule}": number for rule, number in sorted(rules.items())},
        "seconds a seed": round(sum(line["took_s"] for line in lines) / max(len(lines), 1), 1),
        "seeds that broke a promise": ", ".join(broken) or 0,
    }
    return "\n".join(f"{name:38s} {value}" for name, value in rows.items())


def _refusals(line: dict[str, Any]) -> int:
    return sum(number for status, number in line["statuses"].items() if status != "0x0000")


def _kind(fault: str) -> str:
    """The kind's word of a fault in words: "1.20 s kill analyse for 2 s"."""
    words = fault.split()
    return " ".join(words[2:4]) if words[2] == "database" else words[2]


if __name__ == "__main__":
    sys.exit(main())
