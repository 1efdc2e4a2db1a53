from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from voxboard.data import download
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import UserError
from voxboard.preparation import prepare


class Server(BaseHTTPRequestHandler):
    """Serves `content`; goes on with a broken-off file unless `resumes` is off; ends after `most` bytes."""

    content = b""
    resumes = True
    most: int | None = None
    asked: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(re.sub(r"\D", "", wanted)) if wanted and self.resumes else 0
        if self.path != "/corpus.tar.gz":
            return self.send_error(404)
        if start and start >= len(self.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:][: self.most])
        return None

    def log_message(self, *words: object) -> None:
        pass


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def link(target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


CONTENT = tar(("corpus/a.txt", b"hello"), ("corpus/b.txt", bytes(range(256)) * 40))


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"content": CONTENT, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{http.server_port}/corpus.tar.gz"
        yield handler
        http.shutdown()


def archive(server: type[Server]) -> download.Archive:
    return download.Archive(server.url, hashlib.sha256(CONTENT).hexdigest())


def test_an_archive_is_fetched_unpacked_and_not_fetched_again(tmp_path, server):
    for _ in range(2):
        download.fetch_and_unpack(archive(server), tmp_path / "new")
    assert (tmp_path / "new" / "corpus" / "a.txt").read_bytes() == b"hello"
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [".corpus.tar.gz.unpacked", "corpus"]
    assert len(server.asked) == 1


@pytest.mark.parametrize("resumes", [True, False], ids=["goes on", "starts again"])
def test_a_broken_off_download_is_gone_on_with(tmp_path, server, resumes):
    server.resumes, server.most = resumes, 150
    with pytest.raises(UserError, match=r"connection ended after 150 of .* Run the command again"):
        download.fetch_and_unpack(archive(server), tmp_path)
    assert not (tmp_path / "corpus").exists()
    server.most = None
    download.fetch_and_unpack(archive(server), tmp_path)
    assert server.asked == [None, "bytes=150-"]
    assert (tmp_path / "corpus" / "b.txt").stat().st_size == 256 * 40


def test_a_whole_part_is_only_checked(tmp_path, server):
    (tmp_path / "corpus.tar.gz.part").write_bytes(CONTENT)
    download.fetch_and_unpack(archive(server), tmp_path)
    assert (tmp_path / "corpus" / "a.txt").exists()


def test_a_damaged_archive_is_thrown_away(tmp_path, server):
    (tmp_path / "corpus.tar.gz.part").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="arrived damaged"):
        download.fetch_and_unpack(archive(server), tmp_path)
    assert list(tmp_path.iterdir()) == []
    download.fetch_and_unpack(archive(server), tmp_path)


def test_no_network_or_no_file_is_one_sentence(tmp_path, server):
    gone = download.Archive(server.url.replace("corpus", "gone"), "")
    with pytest.raises(UserError, match=r"gone.tar.gz cannot be downloaded: Not Found\. .*--data_path"):
        download.fetch_and_unpack(gone, tmp_path)
    closed = download.Archive("http://127.0.0.1:9/corpus.tar.gz", "")
    with pytest.raises(UserError, match=r"cannot be downloaded: .*Connection refused"):
        download.fetch_and_unpack(closed, tmp_path)


def test_a_disk_that_is_too_small_is_said_before_fetching(tmp_path, server, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="GB free"):
        download.fetch_and_unpack(archive(server), tmp_path)
    assert not (tmp_path / "corpus.tar.gz.part").exists()


@pytest.mark.parametrize("member", [("../outside.txt", b"x"), ("in/link", link("../../outside"))], ids=["dots", "link"])
def test_a_tar_archive_cannot_leave_its_folder(tmp_path, member):
    (tmp_path / "evil.tar.gz").write_bytes(tar(member, ("in/ok.txt", b"x")))
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(UserError, match="outside its folder"):
        download.unpack(tmp_path / "evil.tar.gz", folder)
    assert not (tmp_path / "outside.txt").exists()
    assert not (folder / "in" / "link").is_symlink()


def test_an_absolute_name_in_a_tar_archive_lands_inside_the_folder(tmp_path):
    (tmp_path / "evil.tar.gz").write_bytes(tar((str(tmp_path / "outside.txt"), b"x")))
    download.unpack(tmp_path / "evil.tar.gz", tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()
    assert (tmp_path / "in" / tmp_path.relative_to("/") / "outside.txt").read_bytes() == b"x"


def test_a_zip_archive_cannot_leave_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../outside.txt", "x")
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="outside its folder"):
        download.unpack(tmp_path / "evil.zip", tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as file:
        file.writestr("corpus/a.txt", "x")
    download.unpack(tmp_path / "good.zip", tmp_path / "in")
    assert (tmp_path / "in" / "corpus" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("content", [b"no archive", CONTENT[:200]])
def test_a_damaged_archive_cannot_be_unpacked(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match="cannot be unpacked"):
        download.unpack(tmp_path / "a.tar.gz", tmp_path)


def test_prepare_downloads_the_subsets_that_are_asked_for(tmp_path, corpora, server, speak, monkeypatch):
    names = [f"LibriSpeech/test-clean/{speaker}/1/{speaker}-1-000{n}.flac" for speaker in (20, 21) for n in (0, 1)]
    server.content = tar(*((name, speak(tmp_path / name).read_bytes()) for name in names))
    fake = download.Archive(server.url, hashlib.sha256(server.content).hexdigest())
    monkeypatch.setitem(download.ARCHIVES, "LibriSpeech", {"test-clean": fake})
    corpus = prepare("LibriSpeech", options=PrepareOptions(download=True, subsets=("test-clean",)))
    assert corpus.info.counts["test"]["utterances"] == 4
    assert corpus.audio_root == corpora / "downloads" / "LibriSpeech" / "LibriSpeech"
    with pytest.raises(UserError, match="Unknown subset of LibriSpeech 'dev'"):
        prepare("LibriSpeech", options=PrepareOptions(download=True, subsets=("dev",)))


def test_every_archive_has_a_digest_and_a_secure_address():
    for archives in download.ARCHIVES.values():
        for known in archives.values():
            assert re.fullmatch("[0-9a-f]{64}", known.sha256)
            assert known.url.startswith("https://")
