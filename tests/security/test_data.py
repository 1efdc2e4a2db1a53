"""What somebody else sends: corpora, manifests, archives, audio, stores. Nothing runs, nothing outside is touched."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voxboard import remote_results, storage
from voxboard.cli import main
from voxboard.data import audio, download, unpack
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.mixture import mix
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.scan import Utterance, find_audio, to_cuts
from voxboard.embedding.export_folder import read_index
from voxboard.errors import BadAudio, UserError
from voxboard.files import write_text
from voxboard.preparation import prepare


@pytest.fixture(autouse=True)
def _own_folders(arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXBOARD_CONFIG", str(arena.work / "config"))
    monkeypatch.setenv("VOXBOARD_CACHE", str(arena.work / "cache"))
    monkeypatch.setenv("VOXBOARD_CORPORA", str(arena.work / "corpora"))


def wave(path: Path, samples: int = 800, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).standard_normal((samples, channels)) * 0.1, 16000)
    return path


def cut(**changes: Any) -> dict[str, Any]:
    """A manifest's line, changed at dotted places."""
    line: dict[str, Any] = {
        "id": "a", "start": 0.0, "duration": 0.05, "channel": 0, "type": "MonoCut",
        "supervisions": [{"id": "a", "recording_id": "a", "start": 0.0, "duration": 0.05, "speaker": "s"}],
        "recording": {
            "id": "a", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
            "sampling_rate": 16000, "num_samples": 800, "duration": 0.05,
        },
    }  # fmt: skip
    for place, value in changes.items():
        *path, last = place.split("__")
        target: Any = line
        for step in path:
            target = target[int(step) if step.isdigit() else step]
        target[last] = value
    return line


def manifest(folder: Path, *lines: dict[str, Any] | str, name: str = "m.jsonl.gz") -> Path:
    wave(folder / "a.wav")
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder / name


def corpus(folder: Path, audio_root: str, source: str = "a.wav") -> Path:
    """A corpus folder that somebody sent."""
    manifest(folder, cut(recording__sources__0__source=source), name="test.jsonl.gz")
    (folder / "corpus.json").write_text(json.dumps({"name": "Sent", "audio_root": audio_root}))
    return folder


# Names that Lhotse would open through a shell or over the network


@pytest.mark.parametrize("name", ["pipe:touch $MARK;.jsonl", "pipe:touch $MARK | cat.jsonl.gz", "ais:x.jsonl"])
def test_a_manifest_whose_name_is_a_command_is_a_file(arena, name, monkeypatch):
    monkeypatch.setenv("MARK", str(arena.marker))
    file = manifest(arena.work, cut(), name=name)
    assert [each.id for each in Corpus.open(file.name).cuts("test")] == ["a"]


@pytest.mark.parametrize("folder", ["pipe:touch $MARK;", "s3:"])
def test_a_corpus_folder_whose_name_is_a_command_is_a_folder(arena, folder, monkeypatch):
    monkeypatch.setenv("MARK", str(arena.marker))
    corpus(arena.work / folder, ".")
    assert len(Corpus.open(folder).cuts("test")) == 1


def test_a_mixture_that_names_a_command_finds_no_manifest(arena):
    for name in (f"pipe:{arena.shell}", f"pipe:{arena.shell};.jsonl.gz", "http://localhost/m.jsonl.gz", "../../x\0"):
        write_text(arena.work / "mix.yaml", json.dumps([{"name": "A", "manifest": name}]))
        with pytest.raises(UserError, match="no manifest"):
            mix(arena.work / "mix.yaml", "M", arena.work / "M")


# Lines of manifests


@pytest.mark.parametrize(
    "changes",
    [
        *({"recording__sources__0__type": kind} for kind in ("command", "url", "memory", "shar", None, 7)),
        {"recording__sources": [{"type": "command", "channels": [0], "source": "touch it-ran"}]},
        {"recording__transforms": [{"name": "Speed", "kwargs": {"factor": 2.0}}]},
        {"type": "MixedCut", "tracks": []},
        {"type": "PaddingCut"},
        {"type": "os.system"},
        {"recording__sources__0__source": "../outside/secret.txt"},
        {"recording__sources__0__source": "/etc/passwd"},
        {"recording__sources__0__source": "a\0.wav"},
        {"recording__sources__0__source": "x" * 5000},
        *({"recording__num_samples": value} for value in (10**18, 10**400, 0, -1, 1.5, "x", True, None, [])),
        *({"recording__sampling_rate": value} for value in (0, -16000, "x", 1e9, 10**12, None)),
        *({"recording__duration": value} for value in (1e18, -1.0, 0, "x", 99.0)),
        *({"duration": value} for value in (-1.0, 0.0, 1e-320, 1e18, 10**400, 99.0, "1", None)),
        *({"start": value} for value in (-1.0, 1e18, "0", 50.0)),
        *({"channel": value} for value in (-1, 1, "0", 2.0, [], [0, 0], 10**9, None)),
        *({"recording__sources__0__channels": value} for value in ([], [-1], ["0"], 10**9, [0] * 2, None)),
        {"recording__sources": []},
        {"recording": None},
        {"recording": "a.wav"},
        {"id": ""},
        {"id": 7},
        {"id": None},
        {"custom": [1]},
        {"custom": {"uem": [[5, 1]]}},
        {"supervisions": "a"},
        {"supervisions__0__start": 1e18},
        {"supervisions__0__duration": -0.1},
        {"supervisions__0__speaker": {"name": "s"}},
        {"supervisions__0__text": ["words"]},
        {"supervisions__0__custom": "label"},
    ],
    ids=str,
)
def test_a_line_that_is_no_plain_utterance_is_one_sentence_with_file_and_line(arena, changes):
    file = manifest(arena.work, cut(id="first"), cut(**changes))
    with pytest.raises(UserError, match=r"m\.jsonl\.gz|lies outside"):
        Corpus.open(file).cuts("test")
    assert not (arena.work / "it-ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        '{"id": NaN}', '{"id": "a", "duration": Infinity}', "[]", "7", "null", "{", "[" * 200_000, '"x"' * 3, "\0",
        '{"id": "a", "start": ' + "9" * 5000 + "}",
    ],
    ids=lambda line: line[:12],
)  # fmt: skip
def test_a_line_that_is_no_object_is_one_sentence_with_file_and_line(arena, line):
    with pytest.raises(UserError, match=r"m\.jsonl\.gz, line 1"):
        Corpus.open(manifest(arena.work, line)).cuts("test")


def test_a_manifest_may_say_where_numbers_stop_making_sense_and_no_further(arena):
    """The refusals above refuse for their reason: the same line unchanged is read."""
    file = manifest(arena.work, cut(), cut(id="b", custom={"array": {"storage_type": "numpy_hdf5", "shape": [1]}}))
    first, second = Corpus.open(file).cuts("test")
    assert first.supervisions[0].speaker == "s"
    assert second.custom == {"array": {"storage_type": "numpy_hdf5", "shape": [1]}}  # a value, not a thing to load


def test_features_that_lhotse_would_open_are_not_kept(arena):
    features = {"storage_type": "lilcom_url", "storage_path": f"pipe:{arena.shell}", "storage_key": "x"}
    (only,) = Corpus.open(manifest(arena.work, cut(features=features))).cuts("test")
    assert not only.has_features


def test_a_manifest_that_unpacks_without_end_is_refused(arena):
    wave(arena.work / "a.wav")
    (arena.work / "m.jsonl.gz").write_bytes(gzip.compress(b" " * (200 << 20)))
    with pytest.raises(UserError, match="unpacks to more than"):
        Corpus.open(arena.work / "m.jsonl.gz").cuts("test")


# Where audio may lie


@pytest.mark.parametrize("root", ["/", "..", "../outside", "/etc"])
def test_a_corpus_that_was_sent_does_not_read_audio_elsewhere(arena, root, capsys):
    wave(arena.work / "private.wav")
    source = os.path.relpath(arena.work / "private.wav", (arena.work / "sent" / root).resolve())
    folder = corpus(arena.work / "sent", root, source)
    assert main(["eval", str(folder), "fbank+statistics"]) == 2
    told = capsys.readouterr().err
    assert "outside" in told
    assert "Traceback" not in told


def test_a_flag_or_a_variable_names_the_folder_of_the_audio(arena, monkeypatch):
    wave(arena.work / "elsewhere" / "a.wav")
    folder = corpus(arena.work / "sent", str(arena.work / "elsewhere"))
    with pytest.raises(UserError, match=r"--audio_root .*elsewhere or put that folder into VOXBOARD_AUDIO_ROOTS"):
        Corpus.open(folder).cuts("test")
    assert len(Corpus.open(folder, arena.work / "elsewhere").cuts("test")) == 1
    monkeypatch.setenv("VOXBOARD_AUDIO_ROOTS", f"/nowhere{os.pathsep}{arena.work / 'elsewhere'}")
    assert len(Corpus.open(folder).cuts("test")) == 1


def test_what_prepare_was_given_needs_no_flag_and_gives_no_other_folder(arena):
    wave(arena.work / "speech" / "s" / "a.wav")
    prepared = prepare(str(arena.work / "speech"), options=PrepareOptions(split="test"))
    assert len(Corpus.open(prepared.folder).cuts("test")) == 1
    wave(arena.work / "private.wav")
    with pytest.raises(UserError, match="outside"):
        Corpus.open(corpus(arena.work / "sent", str(arena.work), "private.wav")).cuts("test")


@pytest.mark.parametrize("link", ["a.wav", "clips"])
def test_links_that_were_sent_along_are_not_followed_out_of_the_folder(arena, link):
    target = wave(arena.work / "private" / "a.wav")
    folder = corpus(arena.work / "sent", ".", "a.wav" if link == "a.wav" else "clips/a.wav")
    (folder / "a.wav").unlink()
    (folder / link).symlink_to(target if link == "a.wav" else target.parent)
    with pytest.raises(UserError, match="link that leads out"):
        Corpus.open(folder).cuts("test")


def test_links_inside_of_a_corpus_that_was_sent_are_followed(arena):
    folder = corpus(arena.work / "sent", ".", "again/a.wav")
    (folder / "again").symlink_to(folder)
    assert len(Corpus.open(folder).cuts("test")) == 1


def test_a_mixture_reads_a_folder_that_it_names_where_the_user_names_it_too(arena):
    wave(arena.work / "private" / "a.wav")
    manifest(arena.work / "mix", cut())
    row = {"name": "A", "manifest": "m.jsonl.gz", "audio_root": str(arena.work / "private")}
    write_text(arena.work / "mix" / "mix.yaml", json.dumps([row]))
    with pytest.raises(UserError, match="outside its folder"):
        mix(arena.work / "mix" / "mix.yaml", "M", arena.work / "M")
    made = mix(arena.work / "mix" / "mix.yaml", "M", arena.work / "M", [arena.work / "private"])
    assert len(made.cuts("train")) == 1


def test_the_common_folder_of_two_parts_is_not_opened_as_a_whole(arena):
    """Two parts may have nothing in common but the disk: that must not make the disk a folder of audio."""
    for name in "xy":
        manifest(arena.work / name, cut(id=name))
    rows = [{"name": name, "manifest": f"{name}/m.jsonl.gz"} for name in "xy"]
    write_text(arena.work / "mix.yaml", json.dumps(rows))
    made = mix(arena.work / "mix.yaml", "M", arena.work / "M")
    assert len(Corpus.open(made.folder).cuts("train")) == 2
    wave(arena.work / "private.wav")
    with pytest.raises(UserError, match="outside"):
        Corpus.open(corpus(arena.work / "sent", str(arena.work), "private.wav")).cuts("test")


@pytest.mark.parametrize(
    "content",
    [
        {"audio_root": 7}, {"audio_root": "a\0"}, {"trials": ["x"]}, {"trials": {"test": 7}}, {"notes": "x"},
        {"counts": {"test": 7}}, {"kind": "commands"}, {"skipped": "x"}, {"mixture": {"a": "x"}}, {"name": ["x"]},
    ],
)  # fmt: skip
def test_a_description_of_other_types_is_one_sentence(arena, content):
    corpus(arena.work / "sent", ".")
    write_text(arena.work / "sent" / "corpus.json", json.dumps({"name": "Sent", **content}))
    with pytest.raises(UserError, match=r"corpus\.json"):
        Corpus.open(arena.work / "sent")


@pytest.mark.parametrize("name", ["../../outside/secret.txt", "/etc/passwd", "linked.txt"])
def test_a_trial_list_lies_in_its_corpus(arena, name):
    folder = corpus(arena.work / "sent", ".")
    (folder / "linked.txt").symlink_to(arena.secret)
    write_text(folder / "corpus.json", json.dumps({"name": "Sent", "trials": {"test": name}}))
    with pytest.raises(UserError, match="outside|link that leads out"):
        Corpus.open(folder).trials("test")


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "a: &a [*a]", "- 7", "7", "- {name: [], manifest: x}"])
def test_a_list_of_corpora_that_is_none_is_one_sentence(arena, text):
    write_text(arena.work / "mix.yaml", text)
    with pytest.raises(UserError, match=r"mix\.yaml"):
        mix(arena.work / "mix.yaml", "M", arena.work / "M")


def test_a_value_that_is_a_tree_of_references_is_not_printed(arena):
    bomb = "".join(f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    text = f"train:\n- name: A\n  manifest: m.jsonl.gz\n  weights:\n  - &a0 [x]\n{bomb}"
    manifest(arena.work, cut())
    write_text(arena.work / "mix.yaml", text)
    with pytest.raises(UserError, match="weights of A .* are list"):
        mix(arena.work / "mix.yaml", "M", arena.work / "M")


# Archives


def tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def long_way_out(target: str) -> list[tarfile.TarInfo]:
    """Links so long that `realpath` gives up on them, and the interpreter's filter with it (CVE-2025-4517)."""
    folder, members, path = "d" * 247, [], ""
    for letter in "abcdefghijklmnop":
        members += [special(f"{path}{folder}", tarfile.DIRTYPE), special(f"{path}{letter}", tarfile.SYMTYPE, folder)]
        path += f"{folder}/"
    members.append(special("/".join("abcdefghijklmnop") + "/" + "l" * 254, tarfile.SYMTYPE, "../" * 16))
    out = "/".join("abcdefghijklmnop") + "/" + "l" * 254
    return [*members, special("escape", tarfile.SYMTYPE, f"{out}{target}")]


@pytest.mark.parametrize(
    "members",
    [
        [special("link", tarfile.SYMTYPE, "../../outside"), ("link/it-ran", b"")],
        [special("link", tarfile.SYMTYPE, "/"), ("ok.txt", b"")],
        [special("link", tarfile.LNKTYPE, "../../outside/secret.txt"), ("link", b"changed")],
        [special("inner", tarfile.SYMTYPE, "ok.txt")],
        [special("pipe", tarfile.FIFOTYPE)],
        [special("disk", tarfile.BLKTYPE)],
        [("../../outside/it-ran", b"")],
        [("a/../../../outside/it-ran", b"")],
        [("a\\..\\..\\outside", b"")],
        [*long_way_out("/../../outside"), ("escape/it-ran", b"")],
    ],
)
def test_a_tar_archive_makes_files_in_its_folder_or_nothing(arena, members):
    (arena.work / "a.tar").write_bytes(tar(*members))
    with pytest.raises(UserError, match=r"Do not use this archive"):
        unpack.unpack(arena.work / "a.tar", arena.work / "in")
    assert not [path for path in (arena.work / "in").rglob("*") if path.is_symlink() or not path.is_dir()]


def zipped(file: Path, name: str, content: str, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return file


@pytest.mark.parametrize(
    ("name", "content", "mode"),
    [
        ("../../outside/it-ran", "", 0o100644),
        ("link", "../../outside", 0o120777),
        ("pipe", "", 0o010644),
        ("a/../../../outside/it-ran", "", 0o100644),
    ],
)
def test_a_zip_archive_makes_files_in_its_folder_or_nothing(arena, name, content, mode):
    with pytest.raises(UserError, match="Do not use this archive"):
        unpack.unpack(zipped(arena.work / "a.zip", name, content, mode), arena.work / "in")
    assert list((arena.work / "in").iterdir()) == []


def test_links_that_lie_in_the_folder_already_lead_nowhere(arena):
    (arena.work / "in").mkdir()
    (arena.work / "in" / "there").symlink_to(arena.outside)
    (arena.work / "a.tar").write_bytes(tar(("there/it-ran", b"")))
    with pytest.raises(UserError, match="outside its folder"):
        unpack.unpack(arena.work / "a.tar", arena.work / "in")
    (arena.work / "in" / "same.txt").symlink_to(arena.work / "in" / "x")
    (arena.work / "b.tar").write_bytes(tar(("same.txt", b"")))
    with pytest.raises(UserError, match="which is a link"):
        unpack.unpack(arena.work / "b.tar", arena.work / "in")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_stopped(arena, monkeypatch, kind):
    monkeypatch.setattr(unpack, "FREE", 1 << 20)
    if kind == "zip":
        file = zipped(arena.work / "a.zip", "zeros", "0" * (8 << 20))
    else:
        file = arena.work / "a.tar.gz"
        file.write_bytes(gzip.compress(tar(("zeros", bytes(8 << 20)))))
    with pytest.raises(UserError, match="more than 25 times its size"):
        unpack.unpack(file, arena.work / "in")
    assert sum(path.stat().st_size for path in (arena.work / "in").iterdir()) <= 2 << 20


def test_an_archive_that_lies_in_the_folder_is_checked_before_it_is_unpacked(arena):
    (arena.work / "corpus.tar.gz").write_bytes(gzip.compress(tar(("a.txt", b"not what was published"))))
    with pytest.raises(UserError, match="damaged or another file: its sha256 is"):
        download.fetch_and_unpack(download.Archive("https://localhost/corpus.tar.gz", "0" * 64), arena.work)
    assert not (arena.work / "a.txt").exists()


# Stores


def test_a_url_of_records_gives_records_only(arena):
    (arena.outside / "passwd.json").symlink_to(arena.secret)
    store = arena.work / "store"
    for name in ("passwd", "key.pem", "deep/notes.txt", "run/best.safetensors"):
        write_text(store / name, "secret")
    with pytest.raises(UserError, match="nothing at .* that voxboard reads"):
        remote_results.records(f"file://{store}")
    write_text(store / "settings.json", '{"token": "secret"}')
    with pytest.raises(UserError, match=r"1 files at .* are not valid records: settings\.json"):
        remote_results.records(f"file://{store}")
    with pytest.raises(UserError, match="no run at"):
        remote_results.run(f"file://{store}")
    copied = [path for path in (arena.work / "cache").rglob("*") if path.is_file() and path.name != storage.TAGS]
    assert copied == []
    (arena.outside / "passwd.json").unlink()


def test_a_record_at_a_url_is_copied_and_what_lies_beside_it_is_not(arena):
    record = {"schema": 1, "benchmark": {}, "system": {}, "provenance": {}}
    write_text(arena.work / "store" / "a" / "r.json", json.dumps(record))
    write_text(arena.work / "store" / "a" / "id_rsa", "secret")
    home = remote_results.records(f"file://{arena.work / 'store'}")
    assert [path.name for path in home.rglob("*") if path.is_file()] == [storage.TAGS, "r.json"]


@pytest.mark.parametrize(
    "index",
    [
        {"../../../../outside/secret.txt": "old"},
        {"/etc/hosts": "old"},
        {"a/../../x": "old"},
        {"a\\..\\x": "old"},
        {"": "old"},
        ["a"],
        {"a": 7},
        "x",
    ],
    ids=str,
)
def test_a_poisoned_index_of_a_copy_deletes_nothing(arena, index):
    write_text(arena.work / "store" / "a.json", "{}")
    home = storage.copied(f"file://{arena.work / 'store'}")
    write_text(home / storage.TAGS, json.dumps(index))
    assert storage.tags(home) == {}
    storage.copied(f"file://{arena.work / 'store'}")
    assert (home / "a.json").is_file()


def test_an_index_that_is_true_but_for_a_link_in_the_copy_deletes_nothing(arena):
    write_text(arena.work / "store" / "b.json", "{}")
    home = storage.copied(f"file://{arena.work / 'store'}")
    (home / "there").symlink_to(arena.outside)
    write_text(home / storage.TAGS, json.dumps({"there/secret.txt": "old"}))
    with pytest.raises(UserError, match="a link that leads out"):
        storage.copied(f"file://{arena.work / 'store'}")


@pytest.mark.parametrize("content", ['{"F": 7}', '{"F": [1, 2, "x"]}', "[" * 100_000, "7", '{"F": [0, 0]}'])
def test_a_poisoned_memory_of_digests_is_not_believed(arena, content):
    file = wave(arena.work / "a.wav")
    write_text(arena.work / "digests.json", content.replace("F", str(file)))
    assert audio.digests({file}, arena.work / "digests.json") == audio.digests({file})


# Audio


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def m4a(channels: int = 1, nested: int = 0) -> bytes:
    times = bytes(12) + struct.pack(">II", 16000, 1600)
    stsd = bytes(32) + struct.pack(">H", channels) + bytes(10)
    track = box(b"mdhd", times) + box(b"hdlr", bytes(8) + b"soun") + box(b"stsd", stsd)
    content = box(b"mvhd", times) + box(b"trak", track)
    for _ in range(nested):
        content = box(b"moov", content)
    return box(b"moov", content)


@pytest.mark.parametrize(
    "content",
    [m4a(channels=0), m4a(channels=65535), m4a(nested=3000), m4a() + box(b"free", b"") * 200_000, b"\xff" * 64],
    ids=["no channels", "65,535 channels", "3,000 nested", "200,000 boxes", "noise"],
)
def test_an_m4a_that_cannot_be_is_bad_audio(arena, content):
    assert audio.m4a.is_m4a(Path("a.m4a"))
    (arena.work / "good.m4a").write_bytes(m4a())
    assert audio.probe(arena.work / "good.m4a") == (16000, 1, 1600)
    (arena.work / "a.m4a").write_bytes(content)
    with pytest.raises(BadAudio, match=r"a\.m4a is not an MPEG-4 file"):
        audio.probe(arena.work / "a.m4a")


@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
def test_pipes_and_sockets_among_the_audio_do_not_make_anybody_wait(arena, suffix, caplog):
    wave(arena.work / "speech" / "s" / "a.wav")
    os.mkfifo(arena.work / "speech" / "s" / f"pipe{suffix}")
    with socket.socket(socket.AF_UNIX) as server:
        monkey = os.getcwd()
        os.chdir(arena.work / "speech" / "s")  # the names of sockets are short
        server.bind(f"socket{suffix}")
        os.chdir(monkey)
        assert [path.name for path in find_audio(arena.work / "speech")] == ["a.wav"]
    assert "2 files that are pipes, sockets or devices" in caplog.text
    with pytest.raises(BadAudio, match="no regular file"):
        audio.probe(arena.work / "speech" / "s" / f"pipe{suffix}")
    with pytest.raises(BadAudio, match="no regular file"):
        to_cuts([Utterance("p", Path("/dev/zero"), "s")])


def test_a_table_that_names_a_pipe_is_refused(arena):
    wave(arena.work / "speech" / "a.wav")
    os.mkfifo(arena.work / "speech" / "p.wav")
    write_text(arena.work / "speech" / "metadata.csv", "file,speaker\na.wav,s\np.wav,s\n")
    with pytest.raises(BadAudio, match="no regular file"):
        prepare(str(arena.work / "speech"), options=PrepareOptions(split="test"))
    made = prepare(str(arena.work / "speech"), options=PrepareOptions(split="test", skip_bad_audio=True))
    assert made.info.skipped == 1


def test_a_header_that_announces_weeks_in_a_few_bytes_is_bad_audio(arena):
    soundfile.write(arena.work / "a.flac", np.zeros(5000), 16000)
    data = bytearray((arena.work / "a.flac").read_bytes())
    data[21:26] = bytes([data[21] | 0x0F, *b"\xff" * 4])  # the number of samples in STREAMINFO, 36 bits
    (arena.work / "a.flac").write_bytes(data)
    with pytest.raises(BadAudio, match=r"a\.flac announces 1,193\.0 hours of sound in 1\d\d bytes"):
        audio.probe(arena.work / "a.flac")


def test_a_rate_that_has_nothing_in_common_with_ours_does_not_take_all_memory(arena):
    soundfile.write(arena.work / "a.wav", np.zeros(1000), 44101)
    (only,), _ = to_cuts([Utterance("a", arena.work / "a.wav", "s")])
    with pytest.raises(BadAudio, match="rate of 44101 Hz, from which resampling"):
        audio.load(only)


@pytest.mark.parametrize("name", ["a\0.wav", "../outside/secret.txt", "x" * 5000])
def test_a_table_names_files_of_its_folder(arena, name):
    wave(arena.work / "speech" / "a.wav")
    write_text(arena.work / "speech" / "metadata.csv", f"file,speaker\n{name},s\n")
    with pytest.raises(UserError, match="NUL|outside|characters"):
        prepare(str(arena.work / "speech"), options=PrepareOptions(split="test"))


def test_names_with_escapes_reach_the_terminal_written_out(arena, capsys):
    wave(arena.work / "speech" / "a.wav")
    write_text(arena.work / "speech" / "metadata.csv", "file,speaker\n\x1b]0;title\x07.wav,\n")
    assert main(["prepare", str(arena.work / "speech"), "--split", "test"]) == 2
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", [["prepare", ""], ["prepare", " "], ["embed", "", "--system", "fbank+statistics"]])
def test_no_corpus_at_all_is_one_sentence(arena, command, capsys):
    assert main(command) == 2
    assert "DATA is empty." in capsys.readouterr().err


def test_meetings_are_not_made_over_somebody_elses(arena):
    kept = [wave(arena.work / "mine" / "audio" / "a.wav"), arena.work / "mine" / "rttm" / "a.rttm"]
    write_text(kept[1], "mine")
    with pytest.raises(UserError, match="something other"):
        prepare("Voices-meetings", out=arena.work / "mine")
    assert all(file.is_file() for file in kept)


@pytest.mark.parametrize(
    "change",
    [
        {"unlisted": ["../outside/secret.txt"]},
        {"speakers": {"s": "/etc/passwd"}},
        {"utterances": {"a": {"file": "../outside/x", "speaker": "s", "audio": None}}},
        {"utterances": {"a": {"file": "x", "speaker": "s", "audio": 7}}},
        {"utterances": {"a": {"file": "x", "speaker": 7, "audio": None}}},
        {"utterances": [7]},
        {"unlisted": [[]]},
        {"more": 1},
    ],
    ids=str,
)
def test_an_index_of_embeddings_names_files_of_its_folder(arena, change):
    index = {"metadata": {}, "utterances": {}, "speakers": {}, "unlisted": [], **change}
    write_text(arena.work / "m_embeddings.json", json.dumps(index))
    with pytest.raises(UserError, match="outside|not an index"):
        read_index(arena.work / "m_embeddings.json")


def test_nothing_hands_lhotse_a_path() -> None:
    """Lhotse opens paths through shells and clouds: whatever reads a file of its formats is written here."""
    source = Path(storage.__file__).parent
    calls = ("from_file(", "load_manifest", "open_best", "from_jsonl", "from_shar", "load_audio(", "from_path(")
    lines = [
        f"{file.name}: {line.strip()}"
        for file in source.rglob("*.py")
        for line in file.read_text().splitlines()
        if any(call in line for call in calls) and not line.strip().startswith("#")
    ]
    assert lines == []


def test_a_corpus_written_and_read_again_is_the_same(arena):
    """The checks refuse nothing that voxboard writes: several channels, no label, a turn outside of its cut."""
    paths = [wave(arena.work / "speech" / f"{n}.wav", channels=n) for n in (1, 2, 5)]
    cuts, _ = to_cuts([Utterance(path.stem, path, "s", custom={"age": 3, "x": None}) for path in paths])
    Corpus.write(arena.work / "c", CorpusInfo("C"), {"test": cuts}, arena.work / "speech")
    again = list(Corpus.open(arena.work / "c").cuts("test"))
    assert [each.to_dict() for each in again] == [each.to_dict() for each in cuts]
