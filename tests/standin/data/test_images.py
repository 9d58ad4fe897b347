"""Reading images: formats, EXIF orientation, sizes, and files that are no images."""

import logging

import numpy as np
import pytest
import torch
from detectron2.data import detection_utils as utils
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.fixture
def png(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_formats(png):
    assert (utils.read_image(png) == PIXELS).all()
    assert (utils.read_image(png, "RGB") == PIXELS).all()
    assert (utils.read_image(png, "BGR") == PIXELS[:, :, ::-1]).all()
    assert utils.read_image(png, "L").shape == (4, 6, 1)
    yuv = utils.read_image(png, "YUV-BT.601")
    assert np.allclose(yuv[..., 0], PIXELS @ np.array([0.299, 0.587, 0.114]) / 255)


@pytest.mark.parametrize("format", ["RGB", "BGR", "YUV-BT.601"])
def test_looking_at_an_image_is_the_inverse_of_reading(png, format):
    image = utils.read_image(png, format)
    back = utils.convert_image_to_rgb(image, format)
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - PIXELS).max() <= 1
    if format == "BGR":
        assert (utils.convert_image_to_rgb(torch.from_numpy(image.copy()), format) == PIXELS).all()


def test_grey_and_palette_images(tmp_path, png):
    grey = utils.convert_image_to_rgb(utils.read_image(png, "L"), "L")
    assert grey.shape == (4, 6, 3) and (grey[..., 0] == grey[..., 2]).all()
    Image.fromarray(PIXELS).quantize(8).save(tmp_path / "p.png")
    assert utils.read_image(str(tmp_path / "p.png"), "BGR").shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        # EXIF tag 274: where row 0 and column 0 of the stored pixels belong. Each entry undoes it.
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, 3)),
        (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda a: np.rot90(a)),
        (99, lambda a: a),  # no such orientation
    ],
)
def test_exif_orientation(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "o.png", exif=exif)
    assert (utils.read_image(str(tmp_path / "o.png"), "RGB") == turn(PIXELS)).all()


def test_broken_exif_costs_only_the_orientation(tmp_path, caplog):
    Image.fromarray(PIXELS).save(tmp_path / "o.png", exif=b"Exif\x00\x00this is no TIFF header")
    with caplog.at_level(logging.WARNING, logger="detectron2"):
        assert (utils.read_image(str(tmp_path / "o.png"), "RGB") == PIXELS).all()
    assert "EXIF data of" in caplog.text and "o.png" in caplog.text


def test_more_than_eight_bits_are_warned_about(tmp_path, caplog):
    Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(tmp_path / "deep.png")
    with caplog.at_level(logging.WARNING, logger="detectron2"):
        assert (utils.read_image(str(tmp_path / "deep.png"), "BGR") == 255).all()
    assert "deep.png has more than 8 bits" in caplog.text


def test_missing_and_broken_files_are_named(tmp_path, png):
    with pytest.raises(FileNotFoundError, match="Image .*none.png does not exist"):
        utils.read_image(str(tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(OSError, match="Image .*text.png cannot be decoded"):
        utils.read_image(str(tmp_path / "text.png"))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) - 40])
    with pytest.raises(OSError, match="Image .*cut.png cannot be decoded"):
        utils.read_image(str(tmp_path / "cut.png"))


def test_size_is_checked_or_filled_in():
    record = {"file_name": "a.png"}
    utils.check_image_size(record, PIXELS)
    assert record == {"file_name": "a.png", "width": 6, "height": 4}
    utils.check_image_size(record, PIXELS)
    with pytest.raises(utils.SizeMismatchError, match=r"b.png \(image id 3\) has height x width 4x6, .* states 4x7"):
        utils.check_image_size({"file_name": "b.png", "image_id": 3, "width": 7, "height": 4}, PIXELS)
    with pytest.raises(utils.SizeMismatchError, match="states 6x4: the sides are swapped"):
        utils.check_image_size({"file_name": "b.png", "width": 4, "height": 6}, PIXELS)
