import threading

import cv2
import numpy as np
import pytest

from maskrcnn_project.prediction.loading import batches, image_picture, read_ahead, read_input, stamp_of
from maskrcnn_project.prediction.sources import find_sources
from tests.plugin.prediction.films import frame_number, write_film


def sources(folder):
    return find_sources([str(folder)], None, folder / "out")


def write_images(folder, count):
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:03d}.png"), np.full((4, 5, 3), number, np.uint8))


@pytest.mark.parametrize("workers", [1, 3])
def test_images_come_in_order_with_what_cannot_be_read(tmp_path, workers):
    write_images(tmp_path, 20)
    (tmp_path / "007.png").write_bytes(b"no image")
    pictures = [image_picture(source) for source in sources(tmp_path)]
    read = list(read_ahead(pictures, {}, workers))
    assert [picture for picture, _ in read] == pictures
    failed = [str(picture.name) for picture, image in read if isinstance(image, OSError)]
    assert failed == ["007.png"]
    assert [int(image[0, 0, 0]) for _, image in read if isinstance(image, np.ndarray)] == [*range(7), *range(8, 20)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC, as phones write it, .*convert it to JPEG or PNG"),
        (b"<html>", "it is a web page"),
        (b"no image", "no image format is known that begins with"),
        (b"", "the file is empty"),
    ],
)
def test_what_a_file_is_instead_of_an_image(tmp_path, content, said):
    (tmp_path / "a.heic").write_bytes(content)
    with pytest.raises(OSError, match=rf"a\.heic cannot be decoded \({said}") as error:
        read_input(tmp_path / "a.heic")
    assert "Error" not in str(error.value) and "_io" not in str(error.value)


def test_wanted_frames_of_videos_follow(tmp_path):
    write_film(tmp_path / "film.mp4", frames=5)
    (tmp_path / "no.mp4").write_bytes(b"no film")
    film, broken = sources(tmp_path)
    read = list(read_ahead([], {broken: lambda index: True, film: lambda index: index != 2}, 2))
    assert str(read[0][0].name) == "no" and isinstance(read[0][1], OSError)
    assert [(str(p.name), frame_number(frame)) for p, frame in read[1:]] == [
        (f"film/00000{index}", index) for index in (0, 1, 3, 4)
    ]


def test_a_reader_that_leaves_early_leaves_no_thread(tmp_path):
    write_images(tmp_path, 30)
    before = threading.active_count()
    loaded = read_ahead([image_picture(source) for source in sources(tmp_path)], {}, 2)
    next(loaded)
    loaded.close()
    assert threading.active_count() == before


def shaped(*sides):
    return [(number, np.zeros((side, side, 3), np.uint8)) for number, side in enumerate(sides)]


@pytest.mark.parametrize(
    ("sides", "size", "expected"),
    [
        ((1, 2, 1), 1, [[0], [1], [2]]),
        ((1, 2, 1, 2, 1), 2, [[0, 2], [1, 3], [4]]),
        ((), 2, []),
        # nine wait for companions, more than four batches of two: the first group goes alone
        ((1, 2, 3, 4, 5, 6, 7, 8, 9), 2, [[0], [1], [2], [3], [4], [5], [6], [7], [8]]),
    ],
)
def test_a_batch_has_one_shape(sides, size, expected):
    assert [[number for number, _ in batch] for batch in batches(shaped(*sides), size)] == expected


def test_the_stamp_follows_the_file(tmp_path):
    file = tmp_path / "a"
    assert stamp_of(file) == (0, 0)
    file.write_bytes(b"12345")
    assert stamp_of(file) == (5, file.stat().st_mtime_ns)
