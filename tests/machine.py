"""A machine to try commands in: this one again, with changes that are forgotten and a network of its own.

Its file system lies over this machine's and keeps every change in memory, so that a command may add users,
write below /etc or empty a folder. With the machine all of it goes, and whatever still runs there. Only root
can make one, where the kernel has overlays: `python -m machine` says by its exit status whether that is so.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

WITHIN_S = 300.0
"""For one command; it guards against those that hang."""
SHARED = "/shared"
_START = r"""
set -eu
folder=$1
shift
mount -t tmpfs tmpfs "$folder/disk"
root=$folder/disk/root
mkdir "$root"
number=0
for mounted in $(for path in / /etc /usr /var "$@"; do stat -c %m "$path"; done | sort -u); do
    number=$((number + 1))
    mkdir "$folder/disk/up-$number" "$folder/disk/work-$number"
    mount -t overlay overlay "$root$mounted" \
        -o "lowerdir=$mounted,upperdir=$folder/disk/up-$number,workdir=$folder/disk/work-$number"
done
for path in /dev /sys; do mount --rbind $path "$root$path"; done
mount -t proc proc "$root/proc"
mkdir -p "$root/shared"
mount --bind "$folder/shared" "$root/shared"
ip link set lo up
exec chroot "$root" bash --noprofile --norc 2>/dev/null
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended, and all that it printed."""

    status: int
    output: str


class Machine:
    """One machine with one shell, in which commands run one after the other."""

    def __init__(self, *needed: Path, variables: Mapping[str, str]) -> None:
        """Start one. `needed` are paths that may lie on other file systems than the root's."""
        self._folder = tempfile.TemporaryDirectory(prefix="millet-machine-", dir="/tmp")
        self.shared = Path(self._folder.name) / "shared"
        """Its /shared, seen from here."""
        self.shared.mkdir()
        (Path(self._folder.name) / "disk").mkdir()
        script = ["sh", "-c", _START, "machine", self._folder.name, *map(str, needed)]
        heard = [
            "env",
            "--default-signal=HUP,INT,QUIT",
        ]  # whoever runs the tests in the background ignores them
        self._shell = subprocess.Popen(
            [*heard, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", *script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.communicate()
        self._folder.cleanup()

    def run(self, command: str) -> Done:
        """Type a command, wait for its end; folder and variables stay for the next. Raises TimeoutError."""
        (self.shared / "command").write_text(command + "\n")
        status = self._ask(f"source {SHARED}/command </dev/null >{SHARED}/output 2>&1; echo $?")
        return Done(status=status, output=(self.shared / "output").read_text("utf-8", "replace"))

    def start(self, command: str, ports: tuple[int, ...]) -> Done:
        """Type a command that runs until Ctrl-C, and wait until it listens; the status is 0 if it does."""
        (self.shared / "command").write_text(command + "\n")
        listens = "".join(f"(exec 3<>/dev/tcp/127.0.0.1/{port}) && " for port in ports)
        status = self._ask(
            f"set -m; source {SHARED}/command </dev/null >{SHARED}/running 2>&1 & set +m; "
            f"until ({listens} true) 2>/dev/null; do kill -0 $! 2>/dev/null || break; sleep 0.2; done; "
            "kill -0 $! 2>/dev/null; echo $?"
        )
        return Done(status=status, output=(self.shared / "running").read_text("utf-8", "replace"))

    def interrupt(self) -> None:
        """Press Ctrl-C for what was started last, and wait for its end."""
        self._ask("kill -INT -- -$!; wait $! 2>/dev/null; echo 0")

    def _ask(self, line: str) -> int:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(line.encode() + b"\n")
        self._shell.stdin.flush()
        if not select.select([self._shell.stdout], [], [], WITHIN_S)[0]:
            raise TimeoutError((self.shared / "output").read_text("utf-8", "replace")[-2000:])
        answer = self._shell.stdout.readline().decode()
        if not answer.strip().isdecimal():
            self._shell.kill()  # else what it says has no end
            raise OSError(f"the machine ended: {answer}{self._shell.stdout.read().decode()}")
        return int(answer)


def places() -> tuple[Path, ...]:
    """Where this checkout lies, and the Python that it runs on."""
    return Path(__file__).resolve().parents[1], Path(sys.prefix).resolve(), Path(sys.base_prefix)


def main() -> int:
    """0 where a machine can be had."""
    try:
        with Machine(*places(), variables={"PATH": os.environ["PATH"]}) as machine:
            return machine.run(f"touch /etc/millet-was-here && {sys.executable} -c 'import millet'").status
    except OSError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
