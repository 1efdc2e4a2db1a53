"""Acted emotional speech whose file names tell everything: CREMA-D, RAVDESS, TESS, EMO-DB.

Emotions have the names of Auden's label map (angry, disgust, fear, happy, neutral, sad, surprised, calm); EMO-DB's
boredom has no place there and stays a class of its own. Speakers have the names of that map too, where it has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data import table_file
from voxboard.data.scan import Scan, Utterance, beside, find_audio, gender, preferred
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

CREMA_D = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
CREMA_D_EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
CREMA_D_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
CREMA_D_TEXTS = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
DEMOGRAPHICS = "VideoDemographics.csv"

RAVDESS = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
RAVDESS_EMOTIONS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprised"),
        strict=True,
    )
)
RAVDESS_TEXTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
SONG, STRONG = "02", "02"

TESS = re.compile(r"(OAF|OA|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)
TESS_AGES = {"OAF": 64, "YAF": 26}
TESS_SPLITS = {"OAF": "train", "YAF": "test"}

EMO_DB = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z])")
EMO_DB_EMOTIONS = {
    **{"W": "angry", "L": "boredom", "E": "disgust", "A": "fear"},
    **{"F": "happy", "T": "sad", "N": "neutral"},
}
EMO_DB_SPEAKERS = {  # sex and age, as documented by the database
    **{"03": ("male", 31), "08": ("female", 34), "09": ("female", 21), "10": ("male", 32), "11": ("male", 26)},
    **{"12": ("male", 30), "13": ("female", 32), "14": ("female", 35), "15": ("male", 25), "16": ("female", 31)},
}
EMO_DB_TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}

Read = Callable[[re.Match[str], Path], Utterance]


def crema_d(folder: Path, options: PrepareOptions) -> Scan:
    """CREMA-D, `1001_DFA_ANG_XX.wav`, with ages and genders of its table. Raises `UserError` when there is none."""
    table = options.metadata or beside(folder, DEMOGRAPHICS)
    actors = _actors(table) if table else {}

    def read(name: re.Match[str], path: Path) -> Utterance:
        actor, text, emotion, level = name.groups()
        about = dict(actors.get(actor, {}))
        sex = about.pop("gender", None)
        custom = {"emotion": CREMA_D_EMOTIONS[emotion], "intensity": CREMA_D_LEVELS.get(level), **about}
        return Utterance(path.stem, path, actor, None, CREMA_D_TEXTS.get(text), sex, "English", custom)

    scan = _scan(folder, "CREMA-D", "1001_DFA_ANG_XX.wav", CREMA_D, read)
    missing = [] if table else [f"{DEMOGRAPHICS} is not there, so age and gender are unknown."]
    return replace(scan, notes=[*missing, *scan.notes])


def ravdess(folder: Path, options: PrepareOptions) -> Scan:
    """RAVDESS's speech, `03-01-06-01-02-01-12.wav`; songs are left out. Raises `UserError` when there is none."""
    songs = set()

    def read(name: re.Match[str], path: Path) -> Utterance:
        channel, emotion, intensity, text, actor = (name[place] for place in (2, 3, 4, 5, 7))
        if channel == SONG:
            songs.add(path.stem)
        custom = {
            "emotion": RAVDESS_EMOTIONS.get(emotion),
            "intensity": "strong" if intensity == STRONG else "normal",
        }
        sex = "male" if int(actor) % 2 else "female"
        return Utterance(path.stem, path, f"Actor_{actor}", None, RAVDESS_TEXTS.get(text), sex, "English", custom)

    scan = _scan(folder, "RAVDESS", "03-01-06-01-02-01-12.wav", RAVDESS, read)
    spoken = [utterance for utterance in scan.utterances if utterance.id not in songs]
    if not spoken:
        raise UserError(f"{folder} holds only RAVDESS's songs.", "Pass the folder of its speech as --data_path.")
    notes = [f"{len(songs)} songs are left out."] if songs else []
    return replace(scan, utterances=spoken, notes=[*scan.notes, *notes])


def tess(folder: Path, options: PrepareOptions) -> Scan:
    """TESS, `OAF_back_angry.wav`: the older of its two women is trained on, the younger tested on.

    Raises `UserError` when there is none.
    """

    def read(name: re.Match[str], path: Path) -> Utterance:
        speaker, word, emotion = name[1].upper(), name[2], name[3].lower()
        speaker = "OAF" if speaker == "OA" else speaker  # one file of the release lacks the letter
        custom = {"emotion": "surprised" if emotion == "ps" else emotion, "age": TESS_AGES[speaker]}
        text = f"Say the word {word}."
        return Utterance(path.stem, path, speaker, TESS_SPLITS[speaker], text, "female", "English", custom)

    return _scan(folder, "TESS", "OAF_back_angry.wav", TESS, read)


def emo_db(folder: Path, options: PrepareOptions) -> Scan:
    """EMO-DB, `03a01Fa.wav`. Raises `UserError` when there is none."""

    def read(name: re.Match[str], path: Path) -> Utterance:
        speaker, text, emotion, _ = name.groups()
        sex, age = EMO_DB_SPEAKERS.get(speaker, (None, None))
        custom = {"emotion": EMO_DB_EMOTIONS[emotion], "age": age}
        return Utterance(path.stem, path, speaker, None, EMO_DB_TEXTS.get(text), sex, "German", custom)

    scan = _scan(folder, "EMO-DB", "03a01Fa.wav", EMO_DB, read)
    bored = sum(utterance.custom["emotion"] == "boredom" for utterance in scan.utterances)
    notes = [f"{bored} utterances are bored, an emotion that Auden's label map does not have."] if bored else []
    return replace(scan, notes=[*scan.notes, *notes])


def _scan(folder: Path, name: str, example: str, pattern: re.Pattern[str], read: Read) -> Scan:
    """The utterances whose file names match, each once, and how many files do not."""
    files = find_audio(folder)
    utterances = preferred(_matching(files, pattern, read))
    if not utterances:
        raise UserError(f"No {name} audio is under {folder} (looked for {example}).", "Check --data_path.")
    others = [path for path in files if pattern.fullmatch(path.stem) is None]
    notes = [f"{len(others)} files have other names and are left out (e.g. {others[0].name})."] if others else []
    return Scan(folder, utterances, notes)


def _matching(files: Iterable[Path], pattern: re.Pattern[str], read: Read) -> Iterable[Utterance]:
    for path in files:
        if (match := pattern.fullmatch(path.stem)) is not None:
            yield read(match, path)


def _actors(table: Path) -> Mapping[str, dict[str, Any]]:
    """Actor → age and gender, from the columns ActorID, Age, Sex."""
    rows = table_file.read(table).dicts()
    try:
        return {row["ActorID"]: {"age": int(row["Age"]), "gender": gender(row["Sex"])} for row in rows}
    except (KeyError, ValueError) as error:
        raise UserError(f"{table} is not CREMA-D's table of actors: {error}.", "It has ActorID,Age,Sex.") from error
