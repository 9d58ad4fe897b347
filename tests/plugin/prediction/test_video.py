import numpy as np
import pytest

from maskrcnn_project.prediction.video import frame_count, frame_rate, read_frames, write_video
from tests.plugin.prediction.films import frame_number, write_film


def test_frames_come_back_in_order(tmp_path):
    film = write_film(tmp_path / "film.mp4", frames=6, rate=12.5)
    assert [(index, frame_number(frame)) for index, frame in read_frames(film)] == [(i, i) for i in range(6)]
    assert (frame_count(film), frame_rate(film)) == (6, 12.5)
    assert not list(tmp_path.glob(".*"))


def test_only_wanted_frames_are_given(tmp_path):
    film = write_film(tmp_path / "film.mp4", frames=6)
    wanted = [(index, frame_number(frame)) for index, frame in read_frames(film, lambda index: index % 3 == 1)]
    assert wanted == [(1, 1), (4, 4)]


def test_an_odd_side_loses_a_row(tmp_path):
    write_video(tmp_path / "odd.mp4", [np.zeros((47, 33, 3), np.uint8)] * 2, 25)
    assert {frame.shape for _, frame in read_frames(tmp_path / "odd.mp4")} == {(46, 32, 3)}


def test_what_is_no_video(tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no film")
    with pytest.raises(OSError, match=r"no\.mp4 cannot be opened: is it there, and a video"):
        next(read_frames(tmp_path / "no.mp4"))
    assert frame_count(tmp_path / "no.mp4") == 0
    with pytest.raises(OSError, match="could not be written"):
        write_video(tmp_path / "none.mp4", [], 25)
