"""The settings of training augmentation, without anything heavy, so that they can be flags.

Probabilities and SNRs are by default those that the GE2E encoder is trained with: music at 10 to 15 dB, noise at 10 to
15 dB and impulse responses, each with probability 0.6. Auden-Voice has, switched off, MUSAN at 10 to 20 dB with 0.5
and speeds of 0.9 and 1.1 with 2/3.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path

from voxboard import limits
from voxboard.errors import UserError
from voxboard.limits import Share


@dataclass(frozen=True)
class Augmentation:
    """Changes of training crops, in this order: speed, music, noise, room. All of it is off by default."""

    musan_path: Path | None = None
    """Folder of MUSAN (OpenSLR 17): its noise is mixed in as noise, its music as music, its speech is not used."""
    noise_path: Path | None = None
    """Folder of noise, of any audio files at any depth; beside MUSAN's where both are given."""
    music_path: Path | None = None
    """Folder of music, of any audio files at any depth; beside MUSAN's where both are given."""
    rir_path: Path | None = None
    """Folder of room impulse responses (OpenSLR 26, 28, or any); files with noise in their name are left out."""
    noise_snr: tuple[float, float] = (10.0, 15.0)
    """Lowest and highest dB by which the speech is above the noise."""
    music_snr: tuple[float, float] = (10.0, 15.0)
    """Lowest and highest dB by which the speech is above the music."""
    noise_prob: Share = 0.6
    """Share of the crops that noise is mixed into, where there is noise."""
    music_prob: Share = 0.6
    """Share of the crops that music is mixed into, where there is music."""
    rir_prob: Share = 0.6
    """Share of the crops that are put into a room, where there are impulse responses."""
    speed_factors: tuple[float, ...] = (0.9, 1.1)
    """Speeds to draw from: 1.1 is 1.1 times as fast and as high. The label stays the same."""
    speed_prob: Share = 0.0
    """Share of the crops whose speed is changed."""

    def __post_init__(self) -> None:
        # JSON and TOML give lists, and integers where a float is meant.
        for name in ("noise_snr", "music_snr", "speed_factors"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        limits.check(self)
        for name in ("noise_snr", "music_snr"):
            ends = getattr(self, name)
            good = len(ends) == 2 and all(map(isfinite, ends)) and ends[0] <= ends[1]
            self._require(good, name, "Give the lowest and the highest SNR in dB, such as 10 15.")
        good = bool(self.speed_factors) and all(0.5 <= factor <= 2 for factor in self.speed_factors)
        self._require(good, "speed_factors", "Give factors between 0.5 and 2, such as 0.9 1.1.")
        self._check_folders()

    @property
    def active(self) -> bool:
        """True if any crop is changed."""
        return any((self.has_noise, self.has_music, self.has_rooms, self.speed_prob > 0))

    @property
    def has_noise(self) -> bool:
        return self.noise_prob > 0 and bool(self.musan_path or self.noise_path)

    @property
    def has_music(self) -> bool:
        return self.music_prob > 0 and bool(self.musan_path or self.music_path)

    @property
    def has_rooms(self) -> bool:
        return self.rir_prob > 0 and self.rir_path is not None

    def _check_folders(self) -> None:
        """Refuse a setting that would be without effect because its folder was forgotten."""
        defaults = {f.name: f.default for f in fields(self)}
        for kind, given, path in (
            ("noise", self.musan_path or self.noise_path, "--musan_path or --noise_path"),
            ("music", self.musan_path or self.music_path, "--musan_path or --music_path"),
            ("rir", self.rir_path, "--rir_path"),
        ):
            for name in (f"{kind}_prob", f"{kind}_snr"):
                off = name.endswith("prob") and getattr(self, name) == 0
                if given is None and name in defaults and getattr(self, name) != defaults[name] and not off:
                    raise UserError(f"--{name} is given, but no folder to draw from.", f"Give {path} too.")

    def _require(self, fulfilled: bool, name: str, advice: str) -> None:
        if not fulfilled:
            value = getattr(self, name)
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            raise UserError(f"--{name} is {shown}.", advice)
