"""Memory for what is needed for a moment only, used again from one time to the next.

Fresh memory is handed out by the kernel page by page as it is touched; of a few tens of megabytes that
takes longer than most of what is done with them.
"""

from __future__ import annotations

import math
import threading

import torch

_OF_THREAD = threading.local()


def scratch(name: str, shape: tuple[int, ...], device: str = "cpu") -> torch.Tensor:
    """A float32 tensor of any content, until this thread asks for one of the same name again."""
    if device != "cpu":
        return torch.empty(shape, dtype=torch.float32, device=device)  # torch keeps a GPU's memory itself
    held: dict[str, torch.Tensor] = _OF_THREAD.__dict__
    count = math.prod(shape)
    if name not in held or held[name].numel() < count:
        held[name] = torch.empty(count, dtype=torch.float32)
    return held[name][:count].view(shape)
