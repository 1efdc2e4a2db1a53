"""Speak a share of the corpus Voices, in this process or as one of its own: JSON on stdin → a JSON line per speaker.

Not multiprocessing: its fresh processes import the caller's script again, which fails for scripts on stdin and for
those without a main guard, and its idle workers outlive a parent that was killed. A worker here ends at its next line,
and until then it holds the folder's lock, which it inherits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from voxboard.data.voices.render import SAMPLE_RATE, Rendered, VoiceSession, draw_session, render
from voxboard.data.voices.speakers import Speaker
from voxboard.data.voices.text import sentence

SECONDS = (1.5, 4.0)  # shortest and longest utterance
SESSIONS = 2


@dataclass(frozen=True)
class SpokenUtterance:
    """Entry of the manifest for one utterance."""

    id: str  # v001-s1-0001
    session: str
    text: str
    samples: int
    level: float  # dBFS


@dataclass(frozen=True)
class Work:
    """A share of the corpus: who says how many utterances, drawn from which seed, into which folder."""

    folder: Path  # each speaker gets a folder in it
    utterances: int
    seed: int
    speakers: Sequence[Speaker]

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "folder": str(self.folder.absolute())})

    @classmethod
    def from_json(cls, text: str) -> Work:
        content = json.loads(text)
        speakers = [Speaker(**speaker) for speaker in content["speakers"]]
        return cls(Path(content["folder"]), content["utterances"], content["seed"], speakers)


def spoken(work: Work, workers: int, lock: int) -> Iterator[list[SpokenUtterance]]:
    """Do the work, split between processes, and yield each speaker's utterances in the order of the speakers.

    `lock` is the descriptor of the locked file that says that the folder is being written.
    """
    count = min(workers, len(work.speakers))
    if count <= 1:
        for speaker in work.speakers:
            yield speak(work, speaker)
        return
    with ExitStack() as stack:
        shares = [Work(work.folder, work.utterances, work.seed, work.speakers[start::count]) for start in range(count)]
        processes = [stack.enter_context(_started(share, lock)) for share in shares]
        # In the order of leaving: first the workers are ended, then waited for.
        for process in processes:
            stack.callback(process.kill)
        for number in range(len(work.speakers)):
            output = processes[number % count].stdout
            line = output.readline() if output else ""
            if not line.endswith("\n"):
                raise RuntimeError("A process that speaks Voices has ended early; its error is above.")
            yield [SpokenUtterance(**utterance) for utterance in json.loads(line)]


def speak(work: Work, speaker: Speaker) -> list[SpokenUtterance]:
    """Speak and write all utterances of one speaker, which depend on no other speaker's."""
    import soundfile

    target = work.folder / speaker.id
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([work.seed, 2, int(speaker.id[1:])])
    sessions = [draw_session(f"{speaker.id}-s{number + 1}", rng) for number in range(SESSIONS)]
    spoken: dict[str, SpokenUtterance] = {}
    for number in range(work.utterances):
        session = sessions[number * SESSIONS // work.utterances]
        text, rendered = _utterance(speaker, session, spoken.keys(), rng)
        name = f"{session.id}-{number + 1:04d}"
        soundfile.write(target / f"{name}.flac", rendered.samples, SAMPLE_RATE, subtype="PCM_16")
        spoken[text] = SpokenUtterance(name, session.id, text, len(rendered.samples), rendered.level)
    return list(spoken.values())


def _utterance(
    speaker: Speaker, session: VoiceSession, spoken: Container[str], rng: np.random.Generator
) -> tuple[str, Rendered]:
    """A sentence that this speaker has not said yet and that takes 1.5 to 4 seconds."""
    while True:
        text = sentence(rng)
        if text in spoken:
            continue
        rendered = render(text, speaker, session, rng)
        if SECONDS[0] <= len(rendered.samples) / SAMPLE_RATE <= SECONDS[1]:
            return text, rendered


def _started(work: Work, lock: int) -> subprocess.Popen[str]:
    """A process with this one's import path, its work already on its stdin."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-P", "-m", __name__]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        pass_fds=[lock],
    )
    assert process.stdin is not None
    process.stdin.write(work.to_json())
    process.stdin.close()
    return process


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent says what an interruption means
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads any more: the parent is gone
    work = Work.from_json(sys.stdin.read())
    for speaker in work.speakers:
        print(json.dumps([asdict(utterance) for utterance in speak(work, speaker)]), flush=True)


if __name__ == "__main__":
    _main()
