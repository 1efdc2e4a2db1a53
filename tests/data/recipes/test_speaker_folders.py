"""Who speaks in a folder that nobody prepared, and what GE2E batches of it look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from voxboard import heads
from voxboard.data.batches import Crops, batches, by_speaker
from voxboard.data.labels import label_of
from voxboard.data.recipes import speaker_folders
from voxboard.data.scan import to_cuts
from voxboard.data.targets import learn
from voxboard.errors import UserError

VCTK = [f"VCTK-Corpus/wav48/p{s}/p{s}_{n:03d}.wav" for s in (225, 226, 227) for n in (1, 2, 30)]
LIBRITTS = [f"dev-clean/{s}/{c}/{s}_{c}_{n:06d}_000000.wav" for s in (84, 174, 251) for c in (1, 2) for n in (1, 2)]


def _folder(root: Path, files: list[str]) -> Path:
    for number, name in enumerate(files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 4000)
        soundfile.write(path, samples, 16_000)
    return root


@pytest.mark.parametrize(
    ("files", "speakers"),
    [
        (VCTK, ["p225", "p226", "p227"]),
        ([name.removeprefix("VCTK-Corpus/") for name in VCTK], ["p225", "p226", "p227"]),
        (["wav/p225/a.wav", "wav/p226/a.wav", "txt/p225/a.txt.wav"], ["p225", "p226", "txt"]),
        (LIBRITTS, ["174", "251", "84"]),
        ([name.removeprefix("dev-clean/") for name in LIBRITTS], ["174", "251", "84"]),
        (["ann/monday/b.flac", "bob/x.ogg"], ["ann", "bob"]),
    ],
)
def test_the_first_folder_that_no_corpus_has_above_its_speakers_is_the_speaker(
    files: list[str], speakers: list[str], tmp_path: Path
) -> None:
    found = speaker_folders.scan(_folder(tmp_path, files))
    assert sorted({utterance.speaker for utterance in found.utterances}) == speakers
    assert sorted(u.id for u in found.utterances) == sorted(name.rpartition(".")[0] for name in files)


def test_a_table_that_names_files_and_speakers_goes_before_the_folders(tmp_path: Path) -> None:
    _folder(tmp_path, ["day1/a.wav", "day1/b.wav"])
    (tmp_path / "metadata.csv").write_text("file,speaker,gender\nday1/a.wav,ann,F\nday1/b.wav,bob,M\n")
    found = speaker_folders.scan(tmp_path)
    assert [(u.id, u.speaker, u.gender) for u in found.utterances] == [
        ("day1/a", "ann", "female"),
        ("day1/b", "bob", "male"),
    ]
    (tmp_path / "metadata.csv").write_text("file,loudness\nday1/a.wav,3\n")  # says nothing of speakers
    assert {u.speaker for u in speaker_folders.scan(tmp_path).utterances} == {"day1"}


@pytest.mark.parametrize(
    ("table", "text", "files"),
    [
        ("speaker-info.txt", "ID  AGE  GENDER  ACCENTS\n225  23  F    English\n226  22  M    English\n", VCTK),
        ("speaker-info.txt", "ID AGE GENDER ACCENTS\np225 23 F English\np226 22 M English\n", VCTK),
        ("SPEAKERS.TXT", "; comment\n84 | F | dev-clean | 8.0 | A\n174 | M | dev-clean | 8.0 | B\n", LIBRITTS),
        ("speakers.tsv", "READER\tGENDER\tSUBSET\tNAME\n84\tF\tdev-clean\tA\n174\tM\tdev-clean\tB\n", LIBRITTS),
    ],
)
def test_genders_come_from_the_corpus_s_own_table(table: str, text: str, files: list[str], tmp_path: Path) -> None:
    _folder(tmp_path, files)
    (tmp_path / table).write_text(text)
    genders = {utterance.speaker: utterance.gender for utterance in speaker_folders.scan(tmp_path).utterances}
    assert genders in (
        {"p225": "female", "p226": "male", "p227": None},
        {"84": "female", "174": "male", "251": None},
    )


def test_what_says_nothing_of_speakers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no audio"):
        speaker_folders.scan(tmp_path)
    _folder(tmp_path, ["wav/loose.wav"])
    with pytest.raises(UserError, match=r"Nothing says who speaks in .*loose\.wav"):
        speaker_folders.scan(tmp_path)


@pytest.mark.parametrize("files", [VCTK, LIBRITTS])
def test_ge2e_batches_are_speakers_times_utterances(files: list[str], tmp_path: Path) -> None:
    cuts, _ = to_cuts(speaker_folders.scan(_folder(tmp_path, files)).utterances)
    needs = heads.REGISTRY.resolve("ge2e")[0].needs(heads.REGISTRY.config("ge2e"))
    targets = learn(needs, cuts, lambda texts: pytest.fail("no text is learned"))
    order = sorted({label_of(cut, "speaker") for cut in cuts})
    labels = [order.index(label_of(cut, "speaker")) for cut in cuts]
    crops = Crops(cuts, targets, 1600, 16_000, 0, False)
    head = heads.create("ge2e", 4, len(order))
    for batch in batches(crops, by_speaker(labels, 2, 3, 0), 0, 3, 0):
        speakers = batch.labels["speaker"].reshape(2, 3)
        assert (speakers == speakers[:, :1]).all()
        assert speakers[0, 0] != speakers[1, 0]
        assert torch.isfinite(head.loss(batch.waveforms[:, :4], batch.labels["speaker"]))
