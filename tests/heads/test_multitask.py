"""Multi-task: the weighted sum, and that no missing or unknown label trains a class; names to class indices."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from voxboard import heads
from voxboard.data.labels import Classes
from voxboard.errors import UserError
from voxboard.heads.base import MISSING
from voxboard.heads.multitask import MultiTask

GENDER = Classes(["female", "male"])
CLASSES = {"speaker": 5, "gender": 2}
UNLABELLED = [None, "null", "Null", "NULL", "None", "none", "", " ", math.nan, "unknown", "Female?", 7]


def multitask(**options: object) -> MultiTask:
    torch.manual_seed(0)
    given = {"tasks": ("speaker", "gender"), "weights": (1.0, 3.0), "dropout": 0.0, **options}
    head = heads.create("multi-task", 6, CLASSES, **given)
    assert isinstance(head, MultiTask)
    return head


def labeled(speakers: list[int], genders: list[int]) -> dict[str, torch.Tensor]:
    return {"speaker": torch.tensor(speakers), "gender": torch.tensor(genders)}


def batch() -> torch.Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_weighted_sum_over_labelled_utterances(reduction: str) -> None:
    head = multitask(reduction=reduction)
    labels = labeled([0, 4, MISSING, 2], [1, MISSING, 0, 1])
    scores = head.predict_tasks(batch())
    speaker = F.cross_entropy(scores["speaker"][[0, 1, 3]], torch.tensor([0, 4, 2]), reduction=reduction)
    gender = F.cross_entropy(scores["gender"][[0, 2, 3]], torch.tensor([1, 0, 1]), reduction=reduction)
    assert torch.allclose(head.loss(batch(), labels), speaker + 3 * gender)
    assert torch.equal(head.predict(batch()), scores["speaker"])
    assert MultiTask.needs(head.config) == {"speaker": "classes", "gender": "classes"}


@pytest.mark.parametrize("name", UNLABELLED)
def test_no_missing_or_unknown_label_trains_a_class(name: object) -> None:
    head = multitask()
    genders = [GENDER.index(name)] * 4
    embeddings = batch().requires_grad_()
    head.loss(embeddings, labeled([0, 1, 2, 3], genders)).backward()
    assert head.parts["gender"].output.weight.grad is None
    assert head.parts["speaker"].output.weight.grad.any()


def test_a_batch_without_any_label_costs_nothing_and_can_be_differentiated() -> None:
    head = multitask()
    loss = head.loss(batch(), labeled([MISSING] * 4, [MISSING] * 4))
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or not p.grad.any() for p in head.parameters())


def test_a_task_without_classes_trains_nothing() -> None:
    torch.manual_seed(0)
    head = heads.create("multi-task", 6, {"speaker": 5, "gender": 0}, tasks=("speaker", "gender"), dropout=0.0)
    labels = labeled([0, 1, 2, MISSING], [MISSING] * 4)
    assert set(head.predict_tasks(batch())) == {"speaker"}
    assert torch.equal(head.loss(batch(), labels), multitask(weights=(1.0, 9.0)).loss(batch(), labels))


def test_the_first_task_can_have_any_head() -> None:
    assert multitask(main="ge2e").batches == (6, 8)
    head = multitask(main="aam")
    alone = heads.create("aam", 6, 5)
    alone.load_state_dict(head.parts["speaker"].state_dict())
    labels = labeled([0, 1, 2, 3], [MISSING] * 4)
    assert torch.allclose(head.loss(batch(), labels), alone.loss(batch(), labels["speaker"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ()}, "needs two tasks"),
        ({"tasks": ("age", "age")}, "each named once"),
        ({"tasks": ("speaker",)}, "needs two tasks"),
        ({"tasks": ("speaker", "age")}, "classes for speaker, gender only"),
        ({"weights": (1.0,)}, "1 weights for 2 tasks"),
        ({"reduction": "median"}, "no reduction 'median'"),
    ],
)
def test_options_that_do_not_fit_together_are_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        multitask(**options)


def test_names_become_their_indices() -> None:
    assert [GENDER.index(name) for name in ("female", "male")] == [0, 1]
    assert len(GENDER) == 2
    # A JSON object's keys are text, whose order is not the numbers'.
    names = {str(index): f"speaker{index}" for index in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)}
    assert Classes(names).names[2] == "speaker2"
    assert Classes(["1001", "1002"]).index(1002) == 1


@pytest.mark.parametrize("names", [["a", "a"], ["a", "null"], {"0": "a", "2": "b"}, {"1": "a"}])
def test_label_maps_with_holes_twins_or_missing_names_are_errors(names: object) -> None:
    with pytest.raises(UserError):
        Classes(names)  # type: ignore[arg-type]
