import sys
from fractions import Fraction

import numpy as np
import pytest

from maskrcnn_project.prediction.video import frame_count, frame_rate, h264_codec, read_frames, write_video
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


WITHOUT_AV = pytest.mark.skipif(
    h264_codec() is None, reason="PyAV with an encoder of H.264 (the extra video) is missing"
)


@WITHOUT_AV
@pytest.mark.parametrize(("size", "even"), [((48, 64), (48, 64)), ((47, 33), (46, 32)), ((1, 5), (2, 4))])
def test_a_browser_plays_what_is_written(tmp_path, size, even):
    """H.264 in yuv420p with even sides, its index at the beginning."""
    import av

    write_video(tmp_path / "film.mp4", [np.full((*size, 3), 100, np.uint8)] * 3, 30000 / 1001)
    with av.open(str(tmp_path / "film.mp4")) as container:
        [stream] = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.height, stream.width) == even and stream.average_rate == Fraction(30000, 1001)
        planes = next(container.decode(stream)).to_ndarray()
        assert abs(int(planes[0, 0]) - 102) <= 1 and set(planes[even[0] :].ravel()) <= {127, 128, 129}  # BT.601: grey
    [*_, (_, frame)] = read_frames(tmp_path / "film.mp4")
    assert abs(frame.mean() - 100) < 3
    content = (tmp_path / "film.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert frame_count(tmp_path / "film.mp4") == 3


def test_without_the_extra_the_present_writer_is_used(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    assert h264_codec() is None
    film = write_film(tmp_path / "film.mp4", frames=3)
    assert b"mp4v" in film.read_bytes() and frame_count(film) == 3
