"""How fast loudness swells and fades, as one embedding per utterance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec

RATE, WINDOW, HOP = 16_000, 400, 160


class Modulation(UtteranceEncoder):
    """Energies of the bands of an utterance and how much they change, through a linear map: [B, size].

    No window reaches past its utterance's end, and means are over its own windows, so a padded batch is exact.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `modulation`."""

        bands: int = 24
        """Bands of equal width up to 8 kHz."""
        size: int = 32
        """Size of the embeddings."""
        floor: float = 1e-6
        """Energy that silence is raised to."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mix = nn.Linear(2 * config.bands, config.size)
        self.spec = UtteranceSpec(
            embedding_size=config.size,
            sample_rate=RATE,
            min_samples=WINDOW + HOP,
            parameters=sum(p.numel() for p in self.parameters()),
            weights="random",
            weights_licence="none (random initialisation)",
        )

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        windows = waveforms.unfold(1, WINDOW, HOP)  # [B, T, WINDOW]
        power = torch.fft.rfft(windows).abs().square()[..., 1:] / WINDOW
        bands = [part.mean(-1) for part in power.tensor_split(self.config.bands, -1)]
        energies = torch.stack(bands, -1).clamp(min=self.config.floor).log()  # [B, T, bands]
        steps = 1 + (lengths - WINDOW) // HOP
        changes = energies.diff(dim=1).abs()
        return self.mix(torch.cat([mean(energies, steps), mean(changes, steps - 1)], -1))  # type: ignore[no-any-return]

    def preprocessing(self) -> dict[str, Any]:
        return asdict(self.config)


def mean(x: Tensor, steps: Tensor) -> Tensor:
    """The mean of the first `steps` [B] rows of `x` [B, T, D]: [B, D]."""
    mask = torch.arange(x.shape[1], device=x.device) < steps[:, None]
    return x.masked_fill(~mask[..., None], 0.0).sum(1) / steps[:, None]
