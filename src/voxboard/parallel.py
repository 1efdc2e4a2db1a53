"""Communication of the processes of one run, where torchrun started several; free for a single process.

Every process trains on its share of each batch and evaluates its share of the utterances. What is gathered is the same
in all of them, so each decides alike, and the first writes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")


def launched() -> bool:
    """True if torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and world() > 1


def world() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """Number of this process: 0 is the first."""
    return int(os.environ["RANK"]) if launched() else 0


def first() -> bool:
    """True in the process that writes."""
    return rank() == 0


def share(items: Sequence[T]) -> Sequence[T]:
    """Return this process's share of some items: every one belongs to exactly one process."""
    return items[rank() :: world()]


def gathered(mine: T) -> list[T]:
    """Gather a value from every process, in their order."""
    if not launched():
        return [mine]
    import torch.distributed as dist

    values: list[Any] = [None] * world()
    dist.all_gather_object(values, mine)
    return cast("list[T]", values)


def once(work: Callable[[], T]) -> T:
    """Call `work` in the first process and return its result in all of them, once it is done."""
    if not launched():
        return work()
    import torch.distributed as dist

    result: list[Any] = [work() if first() else None]
    dist.broadcast_object_list(result, src=0)
    return cast("T", result[0])


def in_turn(work: Callable[[], T]) -> T:
    """Call `work` in every process, first in the first one, which may leave files for the others."""
    if not launched() or first():
        result = work()
        gathered(None)
        return result
    gathered(None)
    return work()


def rows(mine: Any) -> Any:
    """[B, …] of every one of W processes → [W·B, …] in their order.

    A row's gradient is the sum of those that it has in all of them: where each process computes the loss of all rows,
    the mean that DDP takes of the gradients of weights is the gradient of that loss.
    """
    if not launched():
        return mine
    import torch
    from torch.distributed.nn import functional

    return torch.cat(cast("Any", functional).all_gather(mine.contiguous()))


def total(mine: Any) -> Any:
    """The sum of a tensor over all processes, with its gradient."""
    from torch.distributed.nn import functional

    return cast("Any", functional).all_reduce(mine)


def leave() -> None:
    """End the talk between the processes, if there is any."""
    dist = sys.modules.get("torch.distributed")
    if launched() and dist is not None and dist.is_initialized():
        dist.destroy_process_group()
