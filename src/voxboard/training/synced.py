"""Batch normalisation over the batches of all processes; PyTorch's own does that on GPUs only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from voxboard import parallel


class SyncedBatchNorm(_BatchNorm):
    """Batch norm over all processes, equal to `nn.BatchNorm1d` and its kin on the whole batch; [B, C, …] → the same
    shape.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that PyTorch gives it)
        if not self.training:
            return super().forward(input)
        dims = [0, *range(2, input.ndim)]
        shape = (1, -1, *(1 for _ in dims[1:]))
        count = parallel.total(input.new_tensor(input.numel() / input.shape[1]))
        mean = parallel.total(input.sum(dims)) / count
        centered = input - mean.view(shape)
        variance = parallel.total(centered.square().sum(dims)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        output = centered * (variance + self.eps).rsqrt().view(shape)
        return output if self.weight is None else output * self.weight.view(shape) + self.bias.view(shape)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Any number of dimensions: the layer that it stands for has its own check."""

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as PyTorch does: with the unbiased variance."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def synced(module: nn.Module) -> None:
    """Put `SyncedBatchNorm` in the place of all batch normalisations in a module, on the same weights and buffers."""
    for name, child in list(module.named_children()):
        if isinstance(child, _BatchNorm) and not isinstance(child, SyncedBatchNorm):
            setattr(module, name, _converted(child))
        else:
            synced(child)


def _converted(old: _BatchNorm) -> SyncedBatchNorm:
    with torch.device("meta"):  # its own weights would be drawn for nothing, and move the random stream
        new = SyncedBatchNorm(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    new._parameters, new._buffers = old._parameters, old._buffers
    return new.train(old.training)
