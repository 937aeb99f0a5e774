"""What a phantom's patient is asked to be some months later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The second of a pair; by default the published case after therapy.

    `volume` is the lungs' over the first time's, `bend_mm` how far long waves bend everything besides
    (`phantom.motion`). A share `gone` of the nodules has vanished; the rest, and the mass, changed their
    volumes by `change` in the median (-0.5: halved), each by a little more or less.
    """

    days: int = 90
    volume: float = 1.12
    bend_mm: float = 4.0
    gone: float = 0.6
    change: float = -0.5

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 3650 or not 0.7 <= self.volume <= 1.4 or not 0 <= self.bend_mm <= 10:
            raise ValueError(f"days {self.days}, volume {self.volume}, bend_mm {self.bend_mm}: no")
        if not 0 <= self.gone <= 1 or not -0.9 <= self.change <= 4:
            raise ValueError(f"gone {self.gone}, change {self.change}: no")


def of(asked: object) -> After:
    """What a TOML table asks for; fields may be left out. Raises ValueError."""
    kinds = {field.name: type(field.default) for field in fields(After)}
    if not isinstance(asked, dict):
        raise ValueError("after is a table")  # noqa: TRY004 - as whatever else is wrong in the file
    for name, value in asked.items():
        kind = kinds.get(name)
        if kind is None or isinstance(value, bool) or not isinstance(value, (int, kind)):
            raise ValueError(f"after has no {name} = {value!r}")
    return After(**asked)


def table(followed: Sequence[int | None]) -> str:
    """Which row of the later truth.csv each row of the first one's is, from 1; empty where it is gone."""
    rows = (f"{row},{'' if after is None else after + 1}" for row, after in enumerate(followed, start=1))
    return "\n".join(["before,after", *rows, ""])
