"""Where results lie."""

from pathlib import Path, PurePosixPath

import pytest

from maskrcnn_project.prediction.writing.layout import Layout


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("a.jpg", "out/a.png", "the suffix is the result's"),
        ("deep/er/a.jpg", "out/deep/er/a.png", "in the same folders"),
        ("b.jpg", "out/b.jpg.png", "b.bmp would be b.png, too"),
        ("b.bmp", "out/b.bmp.png", "and the other way round"),
        ("C.tif", "out/C.tif.png", "c.png and C.png are one file for some systems"),
        ("deep/b.jpg", "out/deep/b.png", "another folder"),
        ("v1.2.png", "out/v1.2.png", "only the last suffix goes"),
        ("clip/000007", "out/clip/000007.png", "a frame of a video, which nobody listed"),
    ],
)
def test_places(name, place, reason):
    names = ["a.jpg", "deep/er/a.jpg", "b.jpg", "b.bmp", "C.tif", "c.jpg", "deep/b.jpg", "v1.2.png", "a.jpg"]
    layout = Layout(Path("out"), map(PurePosixPath, names))
    assert layout.place(PurePosixPath(name), ".png") == Path(place), reason


def test_a_folder():
    assert Layout(Path("out"), [PurePosixPath("x/a.jpg")]).place(PurePosixPath("x/a.jpg"), "") == Path("out/x/a")
