"""The training loop: resumable, seeded, told in TensorBoard; window `n` is the same whatever was interrupted.

The weights that count are a running mean of those that learn (an exponential moving average), so a run may
be stopped anywhere; the step shrinks to nothing along a cosine.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter

from millet.train.backgrounds import Background
from millet.train.loss import Batch, Parts, batch, judge
from millet.train.net import Net
from millet.train.windows import Recipe, window


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how boldly to learn."""

    seed: int
    steps: int
    windows: int = 8
    """In a batch."""
    rate: float = 3e-3
    warm_up: int = 100
    mean_over: int = 200
    """Steps that the running mean of the weights looks back on."""
    keep_every: int = 100
    workers: int = 1
    compiled: bool = False
    """Whether torch writes the step anew in C++ (it needs a compiler): .34 s in the place of .43 with settled
    norms, .40 with others (one core with AMX)."""
    settled: bool = False
    """Whether the norms keep the statistics they have, as at inference: for a network that has learned
    before. Windows hold from 0 to 60 nodules, so that the statistics of eight of them are noise."""


class Stream(Dataset[Batch]):
    """Batch `n` of a seed; made where it is asked for."""

    def __init__(self, chests: Sequence[Background], recipe: Recipe, plan: Plan) -> None:
        self.chests, self.recipe, self.plan = chests, recipe, plan

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, number: int) -> Batch:
        """Make one batch."""
        first = number * self.plan.windows
        return batch(
            [window(self.chests, self.recipe, self.plan.seed, first + n) for n in range(self.plan.windows)]
        )


Body = Callable[[Tensor], Tensor]


@dataclass(slots=True, kw_only=True)
class State:
    """What a checkpoint holds."""

    net: Net
    mean: Net
    optimiser: torch.optim.Optimizer
    step: int = 0


def fresh(plan: Plan, start: Net | None = None) -> State:
    """A state to begin from, from random weights of the plan's seed or from a trained network."""
    torch.manual_seed(plan.seed)
    net = copy.deepcopy(start) if start is not None else Net()
    net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch types only 4D formats
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    return State(net=net, mean=copy.deepcopy(net), optimiser=optimiser)


def save(state: State, path: Path) -> None:
    """Write a checkpoint; a crash leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    document = {
        "net": state.net.state_dict(),
        "mean": state.mean.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
    }
    torch.save(document, part)
    part.replace(path)


def load(path: Path, plan: Plan) -> State:
    """Read a checkpoint back."""
    document: dict[str, Any] = torch.load(path, weights_only=True)
    state = fresh(plan)
    state.net.load_state_dict(document["net"])
    state.mean.load_state_dict(document["mean"])
    state.optimiser.load_state_dict(document["optimiser"])
    state.step = int(document["step"])
    return state


def trained(path: Path) -> Net:
    """The network of mean weights in a checkpoint."""
    document: dict[str, Any] = torch.load(path, weights_only=True)
    net = Net()
    net.load_state_dict(document["mean"])
    return net.eval()


def rate(plan: Plan, step: int) -> float:
    """The learning rate of a step: up in a line, and down to nothing along a cosine."""
    done = step / plan.steps
    return plan.rate * min((step + 1) / plan.warm_up, 0.5 * (1 + math.cos(math.pi * done)) + 1e-3)


def train(
    chests: Sequence[Background],
    recipe: Recipe,
    plan: Plan,
    folder: Path,
    *,
    start: Net | None = None,
    progress: Callable[[int, int, Parts], None] = lambda _step, _steps, _parts: None,
) -> Net:
    """Train until the plan's last step, going on from the folder's checkpoint if there is one.

    Returns the network of mean weights, on the CPU.
    """
    path = folder / "checkpoint.pt"
    state = load(path, plan) if path.exists() else fresh(plan, start)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _to(state, device)
    body = _body(state.net, plan)
    with SummaryWriter(str(folder / "curves"), purge_step=state.step) as curves, _without_denormals():
        for wanted in _batches(Stream(chests, recipe, plan), plan, state.step):
            parts = _step(state, body, plan, wanted.to(device))
            for name, value in parts._asdict().items():
                curves.add_scalar(name, float(value.detach()), state.step)
            progress(state.step, plan.steps, parts)
            if state.step % plan.keep_every == 0 or state.step == plan.steps:
                save(state, path)
    return state.mean.cpu().eval()


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Tiny numbers are nothing in here, and count again outside: SciPy's trees recurse without end else."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _to(state: State, device: torch.device) -> None:
    state.net.to(device)
    state.mean.to(device)
    for values in state.optimiser.state.values():
        for name, value in values.items():
            if isinstance(value, Tensor) and name != "step":
                values[name] = value.to(device)


def _batches(stream: Stream, plan: Plan, first: int) -> Iterator[Batch]:
    """Batches from `first` on, made ahead by other processes."""
    left = range(first, plan.steps)
    yield from DataLoader(
        stream,
        batch_size=None,
        sampler=left,
        num_workers=plan.workers,
        prefetch_factor=6 if plan.workers else None,
        worker_init_fn=_lone,
    )


def _lone(_worker: int) -> None:
    torch.set_num_threads(1)


def _has_half_tiles(device: torch.device) -> bool:
    """Whether bfloat16 is multiplied in hardware: a step takes a third of the time, and learns the same."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _body(net: Net, plan: Plan) -> Body:
    net.train()
    if plan.settled:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eval()
    body: Body = torch.compile(net.body) if plan.compiled else net.body
    return body


def _step(state: State, body: Body, plan: Plan, wanted: Batch) -> Parts:
    for group in state.optimiser.param_groups:
        group["lr"] = rate(plan, state.step)
    device = wanted.blocks.device
    with torch.autocast(device.type, torch.bfloat16, enabled=_has_half_tiles(device)):
        raw = body(wanted.blocks)
    parts = judge(raw.float(), wanted)
    state.optimiser.zero_grad(set_to_none=True)
    parts.total.backward()  # type: ignore[no-untyped-call]  # untyped in torch
    nn.utils.clip_grad_norm_(state.net.parameters(), 2.0)
    state.optimiser.step()
    state.step += 1
    share = 1 / min(plan.mean_over, state.step)
    with torch.no_grad():
        for mean, value in zip(state.mean.parameters(), state.net.parameters(), strict=True):
            mean.lerp_(value, share)
        for kept, current in zip(state.mean.buffers(), state.net.buffers(), strict=True):
            kept.copy_(current)
    return parts
