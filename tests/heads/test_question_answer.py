"""The question-answer head: groups of frames, a loss on the answer alone, greedy answers, a model that stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.language_models import chat_model
from voxboard import heads
from voxboard.backbones.frames import Frames
from voxboard.errors import UserError
from voxboard.heads import chat_model as chat
from voxboard.heads.base import MISSING
from voxboard.heads.question_answer import QuestionAnswer

SIZE = 5


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return chat_model(tmp_path_factory.mktemp("lm"))


def build(lm: str, **options: str | int) -> QuestionAnswer:
    torch.manual_seed(0)
    head = heads.create("question-answer", SIZE, 1, lm=lm, **{"frames": 2, **options})
    assert isinstance(head, QuestionAnswer)
    return head


def frames(*lengths: int) -> Frames:
    generator = torch.Generator().manual_seed(1)
    return Frames(torch.randn(len(lengths), 1, max(lengths), SIZE, generator=generator), torch.tensor(lengths), 0.02)


def labels(*texts: str) -> Tensor:
    found = torch.full((len(texts), max(map(len, texts))), MISSING)
    for row, text in zip(found, texts, strict=True):
        row[: len(text)] = torch.tensor([ord(letter) for letter in text])
    return found


def test_groups_of_frames_are_projected_and_the_rest_is_dropped(lm: str) -> None:
    head, given = build(lm, frames=3), frames(7, 2)
    found = head.predict(given)
    assert head.heard_lengths(given).tolist() == [2, 1]
    whole = given.states[0, 0, :6].reshape(2, 3 * SIZE)
    torch.testing.assert_close(found[0, :2], head.projector(whole))
    short = torch.cat([given.states[1, 0, :2].flatten(), torch.zeros(SIZE)])
    torch.testing.assert_close(found[1, 0], head.projector(short))


def test_what_padding_holds_changes_nothing(lm: str) -> None:
    head, given = build(lm, frames=4), frames(9, 3, 6)
    loss = head.loss(given, labels("a", "bc", "d"))
    for row, length in enumerate(given.lengths.tolist()):
        given.states[row, :, length:] = torch.nan
    torch.testing.assert_close(head.loss(given, labels("a", "bc", "d")), loss)


def test_the_loss_is_that_of_the_answer_and_the_end_of_its_turn(lm: str) -> None:
    head, given, model = build(lm), frames(5), chat.load(lm)
    before, after = model._parts(head.question)
    answer = torch.tensor([*model.tokenizer("bc").input_ids, model.end])
    embed = model.network.get_input_embeddings()
    inputs = torch.cat([embed(before), head.predict(given)[0], embed(after), embed(answer)])
    with torch.no_grad():
        scores = model.network(inputs_embeds=inputs[None]).logits[0].log_softmax(-1)
    start = len(inputs) - len(answer)
    expected = -sum(scores[start + n - 1, token] for n, token in enumerate(answer)) / 3
    torch.testing.assert_close(head.loss(given, labels("bc")).detach(), expected)
    assert model.tokenizer.decode(after).endswith("</s><s>assistant\n")


def test_a_batch_costs_what_its_utterances_cost_alone(lm: str) -> None:
    head, given = build(lm), frames(9, 2, 5)
    texts = ("abc", "d", "ef")
    alone = [
        head.loss(Frames(given.states[row : row + 1, :, :length], given.lengths[row : row + 1], 0.02), labels(text))
        for row, (length, text) in enumerate(zip(given.lengths.tolist(), texts, strict=True))
    ]
    tokens = [len(text) + 1 for text in texts]
    mean = sum(loss * count for loss, count in zip(alone, tokens, strict=True)) / sum(tokens)
    torch.testing.assert_close(head.loss(given, labels(*texts)), mean)


def test_answers_are_the_likeliest_token_at_a_time(lm: str) -> None:
    head, given, model = build(lm), frames(6, 3), chat.load(lm)
    embed = model.network.get_input_embeddings()
    expected = []
    for row in range(2):
        before, after = model._parts("Who?")
        heard = head.predict(given)[row, : int(head.heard_lengths(given)[row])]
        inputs, tokens = torch.cat([embed(before), heard, embed(after)]), []
        for _ in range(6):
            with torch.no_grad():
                tokens.append(int(model.network(inputs_embeds=inputs[None]).logits[0, -1].argmax()))
            if tokens[-1] == model.end:
                break
            inputs = torch.cat([inputs, embed(torch.tensor(tokens[-1:]))])
        expected.append(model.tokenizer.decode(tokens, skip_special_tokens=True).strip())
    assert head.answer(given, "Who?", most=6) == expected


def test_the_projector_learns_to_be_answered_right_and_the_chat_model_stays(lm: str) -> None:
    head, given = build(lm, frames=1), frames(9, 7, 3, 8)
    model = chat.load(lm)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    optimizer = torch.optim.Adam(head.parameters(), lr=0.03)
    wanted = ["ma", "fe", "ma", "fe"]
    for _ in range(80):
        optimizer.zero_grad()
        head.train().loss(given, labels(*wanted)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert head.answer(given) == wanted
    assert not model.network.training
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert set(head.state_dict()) == {f"projector.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}


def test_a_model_without_a_chat_template_gets_a_plain_prompt(tmp_path: Path) -> None:
    name = chat_model(tmp_path, chat=False)
    head, model = build(name), chat.load(name)
    before, after = (model.tokenizer.decode(part) for part in model._parts(head.question))
    assert (before, after) == ("<s>", "\nWhat is the gender of the speaker?\n")
    assert bool(torch.isfinite(head.loss(frames(4), labels("a"))))


def test_a_known_model_is_built_without_its_files_and_others_are_missed() -> None:
    built = heads.create("question-answer", SIZE, 1)
    assert built.predict(frames(16)).shape == (1, 2, 896)
    with pytest.raises(UserError, match="no folder /nowhere"):
        heads.create("question-answer", SIZE, 1, lm="/nowhere")
    with pytest.raises(UserError, match="cannot put 0 frames"):
        heads.create("question-answer", SIZE, 1, frames=0)
