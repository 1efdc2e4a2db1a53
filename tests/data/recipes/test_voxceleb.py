from __future__ import annotations

import os

import pytest

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipes import voxceleb
from voxboard.errors import UserError

VOX1 = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10270\tEartha_Kitt\tf\tUSA\ttest\n"
)
VOX2 = "\ufeffVoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \r\nid00012 ,n000012 ,m ,dev \r\nid00017 ,n000017 ,f ,test \r\n"


def found(scan):
    return {u.id: (u.speaker, u.split, u.gender, u.custom["session"], u.custom["nationality"]) for u in scan.utterances}


BUCKLEY = {"id10001/1zcIwhmdeo4/00001": ("id10001", "train", "male", "1zcIwhmdeo4", "Ireland")}
KITT = {"id10270/5r0dWxy17C8/00002": ("id10270", "test", "female", "5r0dWxy17C8", "USA")}


@pytest.mark.parametrize(
    "files",
    [
        ("wav/id10001/1zcIwhmdeo4/00001.wav", "wav/id10270/5r0dWxy17C8/00002.wav"),
        ("dev/wav/id10001/1zcIwhmdeo4/00001.wav", "test/wav/id10270/5r0dWxy17C8/00002.wav"),
        ("vox1_dev_wav/id10001/1zcIwhmdeo4/00001.wav", "vox1_test_wav/wav/id10270/5r0dWxy17C8/00002.flac"),
        ("id10001/1zcIwhmdeo4/00001.wav", "id10270/5r0dWxy17C8/00002.wav"),
        ("A.J._Buckley/1zcIwhmdeo4/00001.wav", "Eartha_Kitt/5r0dWxy17C8/00002.wav"),
        ("A.J._Buckley/1zcIwhmdeo4_0000001.wav", "Eartha_Kitt/5r0dWxy17C8_0000002.wav"),
    ],
    ids=["official", "nested", "unipool", "bare", "names", "flat names"],
)
def test_every_tree_of_voxceleb_1_gives_the_same_utterances(tmp_path, speak, files):
    for file in files:
        speak(tmp_path / file)
    (tmp_path / "vox1_meta.csv").write_text(VOX1)
    assert found(voxceleb.scan1(tmp_path, PrepareOptions())) == BUCKLEY | KITT


@pytest.mark.parametrize(
    ("buckley", "kitt"),
    [("wav/id10001", "wav/id10270"), ("dev/A.J._Buckley", "all/Eartha_Kitt")],
    ids=["ids", "names"],
)
def test_the_test_speakers_of_voxceleb_1_are_known_without_its_table(tmp_path, speak, buckley, kitt):
    speak(tmp_path / buckley / "1zcIwhmdeo4" / "00001.wav")
    speak(tmp_path / kitt / "5r0dWxy17C8" / "00002.wav")
    scan = voxceleb.scan1(tmp_path, PrepareOptions())
    assert {u.speaker: u.split for u in scan.utterances} == {
        os.path.basename(buckley): "train",
        os.path.basename(kitt): "test",
    }
    assert any("vox1_meta.csv is not there" in note and voxceleb.PAGE in note for note in scan.notes)


def test_one_tree_with_both_releases_serves_both(tmp_path, speak):
    for file in ("vox1_dev_wav/id10001/1zcIwhmdeo4/00001.wav", "vox2_dev_wav/id00012/21Uxsk56VDQ/00001.wav"):
        speak(tmp_path / "wav16" / file)
    assert [u.speaker for u in voxceleb.scan1(tmp_path, PrepareOptions()).utterances] == ["id10001"]
    assert [u.speaker for u in voxceleb.scan2(tmp_path, PrepareOptions()).utterances] == ["id00012"]


@pytest.mark.parametrize("prefix", ["{split}/aac", "aac", "vox2_{split}_aac", "."])
def test_voxceleb_2_in_m4a_with_its_comma_separated_table(tmp_path, prefix):
    for speaker, split in (("id00012", "dev"), ("id00017", "test")):
        path = tmp_path / prefix.format(split=split) / speaker / "21Uxsk56VDQ" / "00001.m4a"
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "vox2_meta.csv").write_text(VOX2, newline="")
    assert found(voxceleb.scan2(tmp_path, PrepareOptions())) == {
        "id00012/21Uxsk56VDQ/00001": ("id00012", "train", "male", "21Uxsk56VDQ", None),
        "id00017/21Uxsk56VDQ/00001": ("id00017", "test", "female", "21Uxsk56VDQ", None),
    }


def test_without_table_the_tree_tells_the_test_speakers_of_voxceleb_2(tmp_path, speak):
    speak(tmp_path / "dev" / "id00012" / "21Uxsk56VDQ" / "00001.wav")
    speak(tmp_path / "vox2_test_wav" / "id00017" / "21Uxsk56VDQ" / "00001.wav")
    scan = voxceleb.scan2(tmp_path, PrepareOptions())
    assert {u.speaker: u.split for u in scan.utterances} == {"id00012": "train", "id00017": "test"}


def test_the_converted_copy_of_an_utterance_is_preferred(tmp_path, speak):
    folder = tmp_path / "dev" / "aac" / "id00012" / "21Uxsk56VDQ"
    speak(folder / "00001.wav")
    (folder / "00001.m4a").touch()
    (folder / "00002.m4a").touch()
    scan = voxceleb.scan2(tmp_path, PrepareOptions())
    assert [u.path.name for u in scan.utterances] == ["00001.wav", "00002.m4a"]


def test_files_of_no_release_are_not_utterances(tmp_path, speak):
    speak(tmp_path / "wav" / "id10001" / "1zcIwhmdeo4" / "00001.wav")
    for other in ("noise/free-sound/0001.wav", "wav/id99999/1zcIwhmdeo4/00001.wav", "wav/intro.wav"):
        speak(tmp_path / other)
    assert len(voxceleb.scan1(tmp_path, PrepareOptions()).utterances) == 1


def test_the_table_and_list_may_lie_above_or_be_named(tmp_path, speak):
    speak(tmp_path / "audio" / "wav" / "id10001" / "1zcIwhmdeo4" / "00001.wav")
    (tmp_path / "audio" / "veri_test2.txt").write_text("")
    (tmp_path / "celebrities.csv").write_text(VOX1)
    options = PrepareOptions(metadata=tmp_path / "celebrities.csv")
    scan = voxceleb.scan1(tmp_path / "audio" / "wav", options)
    assert scan.utterances[0].gender == "male"
    assert scan.trials == {"test": tmp_path / "audio" / "veri_test2.txt"}


def test_a_folder_without_voxceleb_says_where_it_is_registered_for(tmp_path, speak):
    speak(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"No VoxCeleb2 audio .* registered for at https://www\.robots"):
        voxceleb.scan2(tmp_path, PrepareOptions())


def test_another_table_than_the_speakers_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not VoxCeleb's speaker table"):
        voxceleb.scan1(tmp_path, PrepareOptions(metadata=tmp_path / "other.csv"))


def test_the_official_tables_have_the_official_splits(shared_data):
    lists = shared_data / "voxceleb-lists"
    first, second = (voxceleb._persons(lists / f"vox{number}_meta.csv") for number in (1, 2))
    for persons, counts in ((first, (1211, 40)), (second, (5994, 120))):
        sets = [person.split for name, person in persons.items() if name == person.id]
        assert (sets.count("dev"), sets.count("test")) == counts
    tested = {int(p.id[2:]) for p in first.values() if p.split == "test"}
    assert tested == set(voxceleb.TEST_1)
    assert all(p.name.startswith("E") for p in first.values() if p.split == "test")
    assert first["eartha_kitt"].id == "id10270"
