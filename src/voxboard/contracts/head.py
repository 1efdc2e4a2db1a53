"""Contract of heads: of embeddings or of frames, of classes, values, tokens, vectors or texts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, get_args

import torch
from torch import Tensor

from voxboard.contracts.catalogue import OPTIONS
from voxboard.contracts.checks import Broken, Check, Measurement, Skipped, Subject
from voxboard.contracts.export import same_as_exported
from voxboard.contracts.inputs import CLASSES, head_input, labels, read
from voxboard.contracts.measures import TOLERANCE, copy_state, difference, require_finite, require_finite_gradients
from voxboard.heads.base import (
    MISSING,
    Answers,
    Decodes,
    Head,
    Kind,
    PredictsTasks,
    Projects,
    ScoresTokens,
    Writes,
)

UTTERANCES = 10
SCALES = (0.0, 1e-20, 1.0, 1e4)
STEPS, RATE = 100, 0.1


def shapes(subject: Subject[Head]) -> Measurement:
    """The loss is one number; a prediction has one row per utterance and one column per class or value."""
    head = subject.build(0)
    if head.reads not in ("embedding", "frames") or head.targets not in get_args(Kind):
        raise Broken(
            f"It reads {head.reads!r} for targets {head.targets!r}.",
            f"reads is embedding or frames; targets is one of {', '.join(get_args(Kind))}.",
        )
    values = head_input(head)
    loss = head.loss(read(head, values), labels(subject.needs))
    if loss.shape != ():
        raise Broken(f"The loss has the shape {tuple(loss.shape)}.", "Give one number: a mean or a sum.")
    prediction = head.predict(read(head, values))
    kind = _main(subject)[1]
    per_frame = (values.shape[2],) if kind == "tokens" else ()
    # What is compared with vectors, or heard by a language model, has a size of the head's own.
    own = kind in ("vectors", "texts")
    expected = (UTTERANCES, *prediction.shape[1:]) if own else (UTTERANCES, *per_frame, CLASSES)
    if tuple(prediction.shape) != expected:
        raise Broken(
            f"Predictions are {tuple(prediction.shape)} instead of {expected}.", "Give a score per class or value."
        )
    return Measurement(loss.item(), f"a loss of {loss.item():.3g}, predictions {expected}")


def gradients(subject: Subject[Head]) -> Measurement:
    """Finite for what it reads of any size: nothing at all, 1e-20, 1 and 10,000."""
    reached = 0
    for scale in SCALES:
        head = subject.build(0)
        values = head_input(head, scale=scale).requires_grad_()
        what = f"for inputs of size {scale:g}"
        advice = "Floor lengths before dividing by them, and use log_softmax rather than a logarithm of a softmax."
        reached = require_finite_gradients(head, head.loss(read(head, values), labels(subject.needs)), what, advice)
        if values.grad is None:
            raise Broken("What it reads gets no gradient, so no encoder can learn.", "Do not detach it.")
        require_finite(values.grad, f"The gradient of what it reads {what}", advice)
    return Measurement(reached, f"{reached} weight tensors reached")


def learning(subject: Subject[Head]) -> Measurement:
    """Training it with its input teaches the labels: the loss leads to what `predict` gives."""
    head = subject.build(0)
    wanted, values = labels(subject.needs), head_input(head).requires_grad_()
    optimizer = torch.optim.Adam([values, *head.parameters()], lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        head.loss(read(head, values), wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    head.eval()
    with torch.no_grad():
        prediction = head.predict(read(head, values))
    task, kind = _main(subject)
    main = wanted[task] if isinstance(wanted, dict) else wanted
    with torch.no_grad():
        right = _right(head, kind, prediction, main, read(head, values))
    share = float(right.float().mean())
    if share < 1.0:
        raise Broken(
            f"After {STEPS} steps of Adam, {share:.0%} of the labels that it was trained with are predicted.",
            "A lower loss must mean a larger score of the right class; predict must use no margin.",
            share,
        )
    return Measurement(share, f"{share:.0%} of {UTTERANCES} labels after {STEPS} steps")


def missing(subject: Subject[Head]) -> Measurement:
    """Utterances whose label is not known train nothing: the loss is that of the others, and finite without any."""
    head = subject.build(0).eval()
    if head.batches is not None:
        raise Skipped("needs every label of its batches")
    values, wanted = head_input(head), labels(subject.needs)
    some, empty = _without(wanted, [2, 5]), _without(wanted, list(range(UTTERANCES)))
    loss = head.loss(read(head, values), some)
    other = values.clone()
    other[[2, 5]] *= -3.0
    changed = difference(head.loss(read(head, other), some), loss)
    if changed > TOLERANCE:
        raise Broken(
            f"An utterance without a label changes the loss by {changed:.2g}.",
            "Leave out labels that are MISSING (NaN among values).",
            changed,
        )
    require_finite(
        head.loss(read(head, values), empty), "The loss of a batch without labels", "Divide by at least one utterance."
    )
    return Measurement(changed, f"{changed:.1e} change of the loss")


def independence(subject: Subject[Head]) -> Measurement:
    """A prediction in evaluation mode does not depend on batch mates."""
    head = subject.build(0).eval()
    values = head_input(head)
    with torch.no_grad():
        together = head.predict(read(head, values))
        worst = difference(head.predict(read(head, values[:1]))[0], together[0])
    if worst > TOLERANCE:
        raise Broken(
            f"A prediction alone differs by {worst:.2g} from that in a batch (limit {TOLERANCE:g}).",
            "Keep statistics of batches to training.",
            worst,
        )
    return Measurement(worst, f"{worst:.1e} apart (limit {TOLERANCE:g})")


def seed(subject: Subject[Head]) -> Measurement:
    """One seed gives the same predictions."""
    first, again = (subject.build(number).eval() for number in (1, 1))
    inputs = read(first, head_input(first))
    with torch.no_grad():
        if not torch.equal(first.predict(inputs), again.predict(inputs)):
            raise Broken(
                "Two of the same seed give different predictions.",
                "Draw weights from torch's global stream in __init__, and nothing in evaluation mode.",
            )
    return Measurement(None, "equal, bit for bit")


def saved(subject: Subject[Head]) -> Measurement:
    """Weights that went through safetensors give the same predictions, bit for bit."""
    first, other = (subject.build(number) for number in (1, 2))
    inputs = read(first, head_input(first))
    first.loss(inputs, labels(subject.needs))  # what training keeps besides weights, such as centroids, is saved too
    size = copy_state(first, other)
    first.eval()
    other.eval()
    with torch.no_grad():
        if not torch.equal(first.predict(inputs), other.predict(inputs)):
            raise Broken(
                "Loaded weights give other predictions than the saved ones.",
                "Register all that is drawn or learned as parameters or buffers.",
            )
    return Measurement(size, f"{size:,} bytes")


def protocols(subject: Subject[Head]) -> Measurement:
    """Check that everything a head offers beside `predict` keeps its protocol."""
    head = subject.build(0).eval()
    inputs = read(head, head_input(head))
    offered = [protocol for protocol in PROTOCOLS if isinstance(head, protocol)]
    with torch.no_grad():
        for protocol in offered:
            PROTOCOLS[protocol](head, inputs, subject)
    names = ", ".join(protocol.__name__ for protocol in offered)
    return Measurement(len(offered), names or "none: it predicts alone")


def _writes(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    _require_texts("texts", head.texts(inputs))


def _answers(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    _require_texts("answer", head.answer(inputs))


def _require_texts(method: str, texts: Any) -> None:
    if len(texts) != UTTERANCES or not all(isinstance(text, str) for text in texts):
        raise Broken(f"{method} gives no text for each of {UTTERANCES} utterances.", "Return a list of str.")


def _decodes(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    tokens = head.written(inputs)
    if len(tokens) != UTTERANCES or not all(isinstance(token, int) for row in tokens for token in row):
        raise Broken(f"written gives no tokens for each of {UTTERANCES} utterances.", "Return lists of int.")


def _scores_tokens(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    rows = head.rows(inputs)
    steps = inputs.lengths.tolist()
    fits = len(rows) == UTTERANCES and all(
        row.ndim == 2 and len(row) <= most and row.shape[1] == CLASSES for row, most in zip(rows, steps, strict=True)
    )
    if not fits:
        raise Broken("rows gives other shapes than [at most T, C].", "Return one tensor an utterance, without padding.")
    worst = max(float(row.exp().sum(-1).sub(1).abs().max()) for row in rows if len(row))
    if not worst <= TOLERANCE:
        raise Broken(f"The probabilities of rows miss 1 by {worst:.2g}.", "Return log_softmax of the scores.", worst)


def _projects(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    generator = torch.Generator().manual_seed(6)
    vectors = head.project_texts(torch.randn(UTTERANCES, CLASSES, generator=generator))
    expected = tuple(head.predict(inputs).shape)
    if tuple(vectors.shape) != expected:
        raise Broken(f"project_texts gives {tuple(vectors.shape)}, predict {expected}.", "Bring both to one space.")
    worst = float(vectors.norm(dim=-1).sub(1).abs().max())
    if not worst <= TOLERANCE:
        raise Broken(f"Lengths of what project_texts gives miss 1 by {worst:.2g}.", "Normalize it.", worst)


def _predicts_tasks(head: Any, inputs: Any, subject: Subject[Head]) -> None:
    scores = head.predict_tasks(inputs)
    expected = {task for task, kind in subject.needs.items() if kind == "classes"}
    if set(scores) != expected or any(tuple(rows.shape) != (UTTERANCES, CLASSES) for rows in scores.values()):
        raise Broken(
            f"predict_tasks gives {', '.join(sorted(scores))}, trained are {', '.join(sorted(expected))}.",
            "Give scores [B, C] for every task that has classes.",
        )
    apart = difference(scores[_main(subject)[0]], head.predict(inputs))
    if apart > TOLERANCE:
        raise Broken(
            f"The main task's scores differ by {apart:.2g} from predict's.", "Let predict give the first task's.", apart
        )


PROTOCOLS: dict[type, Callable[[Any, Any, Subject[Head]], None]] = {
    Writes: _writes,
    Decodes: _decodes,
    ScoresTokens: _scores_tokens,
    Answers: _answers,
    Projects: _projects,
    PredictsTasks: _predicts_tasks,
}


def export(subject: Subject[Head]) -> Measurement:
    """The exported `predict` gives the same scores, for other batch sizes than its example's."""
    head = subject.build(0).eval()

    def inputs(utterances: int) -> tuple[Tensor, ...]:
        given = read(head, values := head_input(head, utterances))
        return (values, given.lengths) if head.reads == "frames" else (values,)

    return same_as_exported(head, inputs(3), [inputs(7), inputs(1)])


def _main(subject: Subject[Head]) -> tuple[str, str]:
    """The label that `predict` gives, and what it is."""
    return next(iter(subject.needs.items()))


def _right(head: Any, kind: str, prediction: Tensor, wanted: Tensor, inputs: Any) -> Tensor:
    """Per utterance, whether the prediction is the label."""
    if kind == "vectors":
        return (prediction @ head.project_texts(wanted).T).argmax(1) == torch.arange(len(wanted))
    if kind == "texts":
        texts = ["".join(map(chr, row[row != MISSING].tolist())) for row in wanted]
        return torch.tensor([one == text for one, text in zip(head.answer(inputs), texts, strict=True)])
    if kind == "values":
        return (prediction - wanted).abs().amax(-1) < 0.1
    if kind == "tokens":
        heard = [_collapsed(row[: int(n)]) for row, n in zip(prediction.argmax(-1), inputs.lengths, strict=True)]
        return torch.tensor([one == row[row != MISSING].tolist() for one, row in zip(heard, wanted, strict=True)])
    return prediction.argmax(-1) == wanted


def _collapsed(path: Tensor) -> list[int]:
    """The tokens of a path of frames: repeats count once, then the blank 0 is left out."""
    return [token for token, _ in groupby(path.tolist()) if token]


def _without(wanted: Any, rows: list[int]) -> Any:
    """The labels with some utterances' not known."""
    if isinstance(wanted, dict):
        return {task: _without(values, rows) for task, values in wanted.items()}
    cleared = wanted.clone()
    cleared[rows] = float("nan") if cleared.is_floating_point() else MISSING
    return cleared


CHECKS: tuple[Check[Head], ...] = (
    OPTIONS,
    Check("shapes", "one loss per batch, one score per class or value", shapes),
    Check("gradients", "inputs of any size train without NaN", gradients),
    Check("learning", "a lower loss means a better prediction", learning),
    Check("missing labels", "utterances without a label train nothing", missing),
    Check("batch mates", "a prediction does not depend on those beside it", independence),
    Check("seed", "one seed gives one head", seed),
    Check("saved weights", "weights go through safetensors unchanged", saved),
    Check("protocols", "what it offers besides predict gives what is promised", protocols),
    Check("export", "the exported predict gives the same numbers", export),
)
