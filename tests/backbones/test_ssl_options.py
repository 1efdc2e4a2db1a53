"""What the options of the transformers family do: token, depth, frozen parts, final norm, masks; and the pair model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from voxboard import backbones, model, systems
from voxboard.backbones.ssl_pairs import PairScore, pair_sequence
from voxboard.errors import UserError

TINY = {"layers": 2, "size": 16, "heads": 2, "ffn": 24, "conv_size": 8}
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


def tiny(name: str = "wav2vec2-base", **options: Any) -> Any:
    torch.manual_seed(0)
    return backbones.create(name, **{**TINY, **options}).eval()


def noise(*shape: int) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["wav2vec2-base", "wavlm-base", "hubert-large"])
def test_a_token_is_one_more_frame_and_knows_no_padding(name: str) -> None:
    plain, backbone = tiny(name), tiny(name, cls_token=True)
    waveforms, lengths = noise(2, 8_000), torch.tensor([8_000, 5_000])
    waveforms[1, 5_000:] = 0.0
    with torch.no_grad():
        frames = backbone(waveforms, lengths)
        alone = backbone(waveforms[1:, :5_000], lengths[1:])
        assert torch.equal(frames.lengths, plain(waveforms, lengths).lengths + 1)
    assert torch.allclose(frames.states[1, :, : alone.states.shape[2]], alone.states[0], atol=1e-5)
    assert backbone.fingerprint() != plain.fingerprint()
    for states in frames.states[:, -1, 0], alone.states[:, -1, 0]:
        assert torch.isfinite(states).all()


def test_the_token_listens() -> None:
    """Its last state is an embedding of the utterance, and its first that of the ones alone."""
    backbone = tiny(cls_token=True)
    with torch.no_grad():
        states = backbone(noise(2, 8_000), torch.tensor([8_000, 8_000])).states
    assert not torch.allclose(states[0, -1, 0], states[1, -1, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["wav2vec2-base", "wavlm-base"])
def test_depth_drops_the_layers_above(name: str) -> None:
    whole, first = tiny(name, layers=3), tiny(name, layers=3, depth=1)
    assert first.spec.frames.layers == 2
    assert first.spec.parameters < whole.spec.parameters
    inputs = noise(1, 8_000), torch.tensor([8_000])
    with torch.no_grad():
        assert torch.equal(first(*inputs).states, whole(*inputs).states[:, :2])


def test_a_depth_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="There is no layer 3"):
        tiny(depth=3)


@pytest.mark.parametrize(
    ("option", "still"),
    [
        ("frozen_extractor", ("feature_extractor",)),
        ("frozen_projection", ("feature_extractor", "feature_projection")),
    ],
)
def test_frozen_parts_never_get_a_gradient(option: str, still: tuple[str, ...]) -> None:
    """Not even when a run thaws the whole backbone after its first steps."""
    backbone = tiny(augment=False, **{option: True}).train().requires_grad_(True)
    backbone(noise(2, 8_000), torch.tensor([8_000, 8_000])).states.square().sum().backward()
    moved = {name.split(".")[1] for name, value in backbone.named_parameters() if value.grad is not None}
    assert moved == {"feature_extractor", "feature_projection", "encoder"} - set(still)


def test_final_norm_is_transformers_last_hidden_state() -> None:
    backbone = tiny("wavlm-large", normalize="no", final_norm=True)
    torch.nn.init.normal_(backbone.model.encoder.layer_norm.weight)
    audio = noise(1, 8_000)
    with torch.no_grad():
        found = backbone(audio, torch.tensor([8_000])).states
        expected = backbone.model(audio, output_hidden_states=True)
    assert torch.allclose(found[:, -1], expected.last_hidden_state, atol=1e-6)
    assert torch.allclose(found[:, -2], expected.hidden_states[-2], atol=1e-6)


def test_without_augmentation_training_masks_nothing() -> None:
    audio, lengths = noise(2, 16_000), torch.tensor([16_000, 16_000])
    for augment in (True, False):
        backbone = tiny(augment=augment)
        hidden, _ = backbone.projected(audio, lengths)
        masked, _ = backbone.train().projected(audio, lengths)
        assert torch.equal(masked, hidden) != augment
        assert any("masked_spec_embed" in name for name in backbone.state_dict()) == augment


def test_a_pairs_sequence_has_its_marks_where_they_belong() -> None:
    one, other = noise(2, 4, 3), noise(2, 5, 3) + 7
    sequence, steps = pair_sequence((one, torch.tensor([4, 2])), (other, torch.tensor([3, 5])))
    assert steps.tolist() == [10, 10]
    ones = torch.ones(1, 3)
    assert torch.equal(sequence[0], torch.cat([ones, one[0], -ones, other[0, :3], -ones]))
    assert torch.equal(sequence[1], torch.cat([ones, one[1, :2], -ones, other[1], -ones]))


def test_a_pairs_score_does_not_depend_on_other_pairs() -> None:
    backbone, pairs = tiny(normalize="no"), PairScore(16)
    first, second = noise(3, 6_000), noise(3, 8_000) + 0.01
    ones, others = torch.tensor([6_000, 4_000, 6_000]), torch.tensor([5_000, 8_000, 8_000])
    first[1, 4_000:], second[0, 5_000:] = 0.0, 0.0
    with torch.no_grad():
        together = pairs(backbone, (first, ones), (second, others))
        assert together.shape == (3,)
        for row, (n, m) in enumerate(zip(ones.tolist(), others.tolist(), strict=True)):
            sides = [(audio[row : row + 1, :end], torch.tensor([end])) for audio, end in ((first, n), (second, m))]
            assert torch.allclose(pairs(backbone, *sides), together[row], atol=1e-6)


@pytest.mark.parametrize("name", ["ExploreWV2", "FinetuneWV2", "GE2E-WavLM-large", "GE2E-WavLM-base-sv"])
def test_a_card_trains_from_random_weights(name: str) -> None:
    system = systems.parse(name)
    sizes = {key: value for key, value in TINY.items() if key != "layers" or not system.backbone.options.get("depth")}
    options = {**system.backbone.options, **sizes, "use_pretrain": False}
    network = model.build(system.with_options("backbone", options), classes=2, seed=0)
    assert network.head is not None
    labels = torch.arange(2).repeat_interleave(2)
    embeddings = network.encoder.train()(noise(4, 8_000), torch.full((4,), 8_000))
    loss = network.head.loss(embeddings, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert any(value.grad is not None for value in network.encoder.backbone.parameters())
