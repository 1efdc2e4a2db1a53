"""`voxboard score`: records of scores, turns and transcripts that others computed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from voxboard.cli.log import to_stderr
from voxboard.cli.parse import parse
from voxboard.imported.score import Score, record_of
from voxboard.screen import dumps, print

DESCRIPTION = """Measure what another toolkit computed, and write a record that boards mark as imported.

  voxboard score --trials list.txt --scores scores.txt --corpus Vox1 --system TitaNet
  voxboard score --rttm hypothesis/ --reference reference/ --uem all.uem --corpus AMI --collar 0
  voxboard score --hypotheses hyp.txt --references ref.txt --corpus LibriSpeech --speakers utt2spk
  voxboard score --diarizer file.py:Class --corpus Voices-meetings

Scores, with labels from the list or the file: `enrol test score` (Kaldi, 3D-Speaker, BOSARIS), `score file file`
(VoxSRC), `enrol test score target|nontarget` (WeSpeaker), `enrol test 1|0 score` (SpeechBrain), `score 1|0 enrol test`
(voxceleb_trainer), `1|0 enrol test score` (voxboard), `enrol*test score` (ESPnet), tables with a header (NIST SRE,
ASVspoof 5, LABEL,SAMPLE1,SAMPLE2,SCORE of UniPool-SV).

Texts: `id text` (Kaldi), `text (id)` (NIST TRN), STM and CTM, tables with a header (commas, semicolons, tabs),
LJSpeech, NeMo manifests, JSON lines, lists and maps, Whisper's JSON, audiofolder. In TRN, STM and CTM `{ a / b / @ }`
is any of its branches. sclite's numbers: --costs nist --fold_case, with its -D --optional, with its -F --fragments.

Turns: RTTM; NOSCORE leaves the evaluated time, NON-LEX the scored one. md-eval's numbers: --mapping all --span
reference.

The format is found from all lines, and from the ids of the other side; where several fit, name it with --format: kaldi,
voxsrc, wespeaker, speechbrain, voxceleb_trainer, voxboard, espnet or table of scores; trn, kaldi, stm, ctm, csv,
ljspeech, nemo, jsonl or json of texts. All files may be gzipped, in UTF-8 or UTF-16.

Intervals resample the speakers that --speakers tells. Without it, trials are clustered by chains of target trials, and
texts by utterance: the record says so. Recordings are resampled for diarization."""


@dataclass(frozen=True)
class ScoreArgs(Score):
    """Outputs, references, and names in the record."""

    json: bool = False
    """Print the record as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Scores, writes the record and prints it. Returns 0."""
    args = parse(ScoreArgs, argv, prog="score", description=DESCRIPTION)
    return run(args, ["score", *argv])


def run(args: ScoreArgs, arguments: Sequence[str] | None = None) -> int:
    """Like `main`; `arguments` is the command that the record keeps."""
    from voxboard import records
    from voxboard.boards.record_table import sheet

    to_stderr()
    record = record_of(args, arguments)
    path = records.save(record, args.records)
    if args.json:
        print(dumps(record.to_dict()))
    else:
        from voxboard.console import Console

        Console().print(sheet(record))
    print(f"Wrote {path}", file=sys.stderr)
    return 0
