"""Photographs saved twice are found across the splits; other photographs of the same kind are not."""

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.image_rules import check_shared_images
from maskrcnn_project.datasets.checking.likeness import alike_pairs, are_alike, thumbnail_of
from maskrcnn_project.datasets.checking.split_tables import SplitTables


def photo(seed, height=192, width=256, depth=1):
    """Smooth light, a few hard objects and the noise of a sensor; uint8, or uint16 of ``depth`` times the values."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:height, :width]
    values = 90 + 40 * np.sin(xs / 60 + seed) + 20 * np.cos(ys / 40)
    for _ in range(6):
        x, y, radius = rng.integers(0, width), rng.integers(0, height), rng.integers(8, 30)
        values[(xs - x) ** 2 + (ys - y) ** 2 < radius**2] += rng.integers(-60, 60)
    values = (values + rng.normal(0, 3, values.shape)).clip(0, 255) * depth
    return values.astype(np.uint8 if depth == 1 else np.uint16)


def side(split, folder, pictures):
    """A split of pictures {name: array or (array, save options)}."""
    folder.mkdir()
    rows = []
    for number, (name, picture) in enumerate(pictures.items(), 1):
        values, options = picture if isinstance(picture, tuple) else (picture, {})
        image = values if isinstance(values, Image.Image) else Image.fromarray(values)
        image.save(folder / name, **options)
        rows.append({"id": number, "file_name": name, "height": image.height, "width": image.width})
    return SplitTables(split, folder / "a.json", folder, rows, [], [])


def alike(train, val):
    findings = Findings()
    check_shared_images(train, val, findings, progress=False)
    return [
        (example.file_name, example.detail) for finding in findings.of("image-alike") for example in finding.examples
    ]


@pytest.mark.parametrize("saved", [{"quality": 95}, {"quality": 75}, {"quality": 40}])
def test_a_photograph_saved_again_as_jpeg_is_named(tmp_path, saved):
    train = side("train", tmp_path / "train", {f"{i}.png": photo(i) for i in range(5)})
    val = side("val", tmp_path / "val", {"again.jpg": (photo(3), saved), "own.png": photo(9)})
    assert alike(train, val) == [("again.jpg", "nearly the same picture as image 4 of train (3.png)")]


def test_so_is_one_of_half_the_size_and_one_of_16_bits(tmp_path):
    train = side("train", tmp_path / "train", {"0.png": photo(0), "1.png": photo(1, depth=16), "2.png": photo(2)})
    half = Image.fromarray(photo(0)).resize((128, 96), Image.Resampling.LANCZOS)
    val = side("val", tmp_path / "val", {"half.png": half, "eight.png": photo(1), "other.png": photo(7)})
    assert [name for name, _ in alike(train, val)] == ["half.png", "eight.png"]


def test_the_same_scene_with_another_object_is_another_picture(tmp_path):
    """As on a line: camera and light stay, a scratch of two pixels comes."""
    clean = photo(0)
    scratched = clean.copy()
    scratched[100:102, 80:110] = 255
    train = side("train", tmp_path / "train", {"0.png": clean})
    val = side("val", tmp_path / "val", {"0.jpg": (scratched, {"quality": 90})})
    assert alike(train, val) == []


def test_pictures_of_one_value_are_like_no_other():
    flat = [thumbnail_of(Image.new("L", (40, 30), value)) for value in (0, 90)]
    assert alike_pairs(flat, flat, lambda one, other: True) == {}
    assert alike_pairs([], flat, lambda one, other: True) == alike_pairs(flat, [], lambda one, other: True) == {}


def test_a_picture_that_cannot_be_read_is_like_none():
    assert not are_alike(None, np.zeros((4, 4), np.float32))
    assert not are_alike(np.zeros((40, 40), np.float32), np.zeros((40, 60), np.float32))
