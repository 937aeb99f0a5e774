"""Progress that a person sees on a terminal and a log file survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Tick = Callable[[str, float], None]
"""What is being done, and the share of it that is done, 0..1."""


@contextmanager
def bar(title: str) -> Iterator[Tick]:
    """A progress bar that lives as long as the block; on a pipe only its end is printed.

    A failure leaves no bar behind: it is told in one line.
    """
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=1.0)

        def tick(what: str, share: float) -> None:
            shown.update(task, description=f"{title}: {what}" if what else title, completed=share)

        try:
            yield tick
        except BaseException:
            shown.live.transient = True
            raise
        shown.update(task, description=title, completed=1.0)
