from pathlib import PurePosixPath

import numpy as np
import pytest

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.journal import FOLDER, Journal, prepare_folder

A, B = PurePosixPath("a.png"), PurePosixPath("deep/b.png")
NOW = (10, 20)  # the stamp of a file of ten bytes


def one(score=0.75):
    box, mask = np.array([[0, 0, 2, 3]], np.float32), {"size": [3, 4], "counts": "06"}
    return Detections((3, 4), box, np.array([score], np.float32), np.array([1]), [mask])


@pytest.fixture
def output(tmp_path):
    prepare_folder(tmp_path / "out", {}, afresh=False)
    return tmp_path / "out"


def test_what_was_added_is_known_to_the_next_run(output):
    journal = Journal(output)
    journal.add(A, NOW, {"drawn": ""}, Detections.none((3, 4)))
    journal.add(B, NOW, {"labelme": "tolerance 1"}, one())
    for known in (journal, Journal(output)):
        assert known.get(A, NOW).written == {"drawn": ""} and known.get(B, NOW).written == {"labelme": "tolerance 1"}
        assert (len(known.found(known.get(A, NOW))), known.names()) == (0, [A, B])
        found = known.found(known.get(B, NOW))
        assert (found.size, found.masks) == ((3, 4), one().masks)
        np.testing.assert_array_equal(found.scores, one().scores)
        np.testing.assert_array_equal(found.boxes, one().boxes)


def test_another_version_of_the_image_is_not_known(output):
    journal = Journal(output)
    journal.add(A, NOW, {}, one())
    assert journal.get(A, (10, 21)) is None and journal.get(A, (11, 20)) is None and journal.get(B, NOW) is None


def test_the_newest_line_of_an_image_holds_in_whatever_file(output):
    first, second = Journal(output, rank=0), Journal(output, rank=1)
    second.add(A, NOW, {"drawn": ""}, one(0.25))
    first.add(A, NOW, {"drawn": "", "cutouts": ""}, one(0.5))
    again = Journal(output, rank=1)
    assert again.get(A, NOW).written == {"drawn": "", "cutouts": ""}
    assert again.found(again.get(A, NOW)).scores.tolist() == [0.5]


def test_a_torn_line_is_done_again(output):
    journal = Journal(output)
    journal.add(A, NOW, {}, one())
    journal.add(B, NOW, {}, one())
    journal.close()
    file = output / FOLDER / "0.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    torn = Journal(output)
    assert torn.get(A, NOW) and torn.get(B, NOW) is None
    torn.add(B, NOW, {}, one())
    torn.close()
    assert Journal(output).get(B, NOW) and len(file.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("noise", [b"\0" * 30, b"{}", b"[1]", b'{"name": "a.png"}', b"\xff\xfe"])
def test_noise_between_the_lines_is_passed_over(output, noise):
    journal = Journal(output)
    journal.add(A, NOW, {}, one())
    with open(output / FOLDER / "0.jsonl", "ab") as file:
        file.write(noise + b"\n")
    journal.add(B, NOW, {}, one())
    again = Journal(output)
    assert again.names() == [A, B] and len(again.found(again.get(B, NOW))) == 1


def test_other_settings_are_refused_by_name(tmp_path):
    settings = {"threshold": 0.5, "sizes": (1, 2), "tile": None}
    prepare_folder(tmp_path / "out", settings, afresh=False)
    Journal(tmp_path / "out").add(A, NOW, {}, one())
    prepare_folder(tmp_path / "out", settings, afresh=False)
    assert Journal(tmp_path / "out").get(A, NOW)
    with pytest.raises(FileExistsError, match=r"other settings \(threshold was 0.5 and is 0.7; tile was None and is 9"):
        prepare_folder(tmp_path / "out", {**settings, "threshold": 0.7, "tile": 9}, afresh=False)
    prepare_folder(tmp_path / "out", {**settings, "threshold": 0.7}, afresh=True)
    assert Journal(tmp_path / "out").get(A, NOW) is None


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="holds other files: choose another --output"):
        prepare_folder(tmp_path, {}, afresh=False)
    prepare_folder(tmp_path, {}, afresh=True)
    assert (tmp_path / "mine.txt").is_file()


def test_unreadable_settings_are_other_settings(tmp_path):
    prepare_folder(tmp_path / "out", {"a": 1}, afresh=False)
    (tmp_path / "out" / FOLDER / "settings.json").write_text("{")
    with pytest.raises(FileExistsError, match="other settings"):
        prepare_folder(tmp_path / "out", {"a": 1}, afresh=False)
