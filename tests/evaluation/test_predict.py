"""What networks say about utterances: classes, numbers, texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.data import audio, tokens
from voxboard.data.labels import Classes
from voxboard.data.targets import ClassTarget, Target, Targets, TokenTarget, ValueTarget
from voxboard.errors import UserError
from voxboard.evaluation import predict
from voxboard.model import Network


def network(spec: str, **targets: Target) -> Network:
    learned = Targets(targets)
    made = model.build(systems.parse(spec), learned.sizes, seed=0)
    made.targets = learned
    return made


def test_the_likeliest_classes_come_first_and_equal_ones_in_their_order() -> None:
    said = predict.ranked(np.array([0.0, 2.0, 0.0, -1000.0]), "abcd", 9)
    assert said.labels == ("b", "a", "c", "d")
    assert said.logits == (2.0, 0.0, 0.0, -1000.0)
    assert said.probs == pytest.approx((np.e**2 / (2 + np.e**2), *2 * [1 / (2 + np.e**2)], 0.0))


def test_a_head_of_one_task_says_classes(tmp_path: Path) -> None:
    made = network("fbank+statistics+softmax(label=gender)", gender=ClassTarget("gender", Classes(["f", "m"])))
    (said,) = predict.predict(made, noise_cuts(tmp_path, [0.5]))
    assert isinstance(said["gender"], predict.RankedClasses)
    assert len(said["gender"].labels) == 1


def test_a_head_of_a_value_says_a_number(tmp_path: Path) -> None:
    made = network("fbank+statistics+regression(label=age, center=40.0)", age=ValueTarget("age"))
    cuts = noise_cuts(tmp_path, [0.5, 0.8])
    found = predict.predict(made, cuts)
    assert made.head is not None
    made.encoder.eval()
    for cut, said in zip(cuts, found, strict=True):
        wave = torch.from_numpy(audio.load(cut))[None]
        with torch.inference_mode():
            expected = made.head.predict(made.encoder(wave, torch.tensor([wave.shape[1]])))
        assert said == {"age": pytest.approx(float(expected), rel=1e-5)}


def test_a_head_of_tokens_says_a_text(tmp_path: Path) -> None:
    vocabulary = tokens.make("characters", ["ab"], "none")
    made = network("fbank+frames+ctc", text=TokenTarget("text", vocabulary))
    (said,) = predict.predict(made, noise_cuts(tmp_path, [0.5]))
    assert isinstance(said["text"], str)
    assert set(said["text"]) <= set("ab ")


def test_a_network_without_a_head_says_nothing(tmp_path: Path) -> None:
    bare = model.build(systems.parse("fbank+statistics"), None, seed=0)
    with pytest.raises(UserError, match="no head"):
        predict.predict(bare, noise_cuts(tmp_path, [0.5]))
