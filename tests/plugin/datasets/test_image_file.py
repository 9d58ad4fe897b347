"""Images of any depth become 8 bits by one rule, wherever they are read."""

import io

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.image_file import (
    ValueRange,
    is_deep,
    largest_value,
    measure_range,
    read_bytes,
    read_image,
    read_to_look,
    read_values,
    to_channels,
)
from maskrcnn_project.inference.predictor import bgr_pixels


@pytest.mark.parametrize(
    ("limits", "values", "wanted"),
    [
        ((0, 4000), np.array([[0, 2000, 4000, 65535]], np.uint16), [[0, 128, 255, 255]]),
        ((100, 300), np.array([[0, 100, 200, 300]], np.uint16), [[0, 0, 128, 255]]),
        ((), np.array([[0, 257, 65535]], np.uint16), [[0, 1, 255]]),  # the full range of 16 bits
        ((), np.array([[0.0, 0.5, 1.0, 7.0]], np.float32), [[0, 128, 255, 255]]),
        ((-1, 1), np.array([[np.nan, np.inf, -np.inf, 0.0]], np.float32), [[0, 255, 0, 128]]),
    ],
)
def test_values_become_0_to_255(limits, values, wanted):
    found = ValueRange.of(limits).to_8_bits(values)
    assert found.dtype == np.uint8 and found.tolist() == wanted


@pytest.mark.parametrize("limits", [(1,), (3, 3), (4, 2), (1, 2, 3)])
def test_what_is_no_range(limits):
    with pytest.raises(ValueError, match=r"must be \(\) or \(low, high\)"):
        ValueRange.of(limits)
    with pytest.raises(ValueError, match="counts from 0"):
        ValueRange.of((), page=-1)


def save(path, values, **more):
    Image.fromarray(values).save(path, **more)
    return path


@pytest.mark.parametrize(("suffix", "kind"), [("png", np.uint16), ("tif", np.uint16), ("tif", np.float32)])
def test_a_deep_file_is_read_as_its_8_bit_twin(tmp_path, suffix, kind):
    """Grey values 0 to 255 stored as 0 to 4000 come back, as three equal channels."""
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    deep = save(tmp_path / f"deep.{suffix}", np.rint(grey * (4000 / 255)).astype(kind))
    twin = save(tmp_path / "twin.png", grey)
    assert is_deep(deep) and not is_deep(twin)
    values = ValueRange(0, 4000)
    assert np.array_equal(read_image(deep, "BGR", values), read_image(twin, "BGR", values))
    assert np.array_equal(read_bytes(deep.read_bytes(), "RGB", values), read_image(twin, "RGB"))


def test_an_8_bit_image_is_never_touched(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    path = save(tmp_path / "a.png", colours)
    assert np.array_equal(read_image(path, "RGB", ValueRange(0, 10)), colours)
    assert np.array_equal(read_bytes(path.read_bytes(), "BGR", ValueRange(0, 10)), colours[:, :, ::-1])


def test_a_stack_of_8_bits_is_never_touched_either(tmp_path):
    pages = [Image.fromarray(np.full((3, 4), value, np.uint8)) for value in (10, 20, 30)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert not is_deep(path)
    assert read_image(path, "BGR", ValueRange(0, 3000, page=2)).max() == 30


def test_a_page_of_a_stack(tmp_path):
    pages = [Image.fromarray(np.full((3, 4), value, np.uint16)) for value in (10, 20, 30)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert is_deep(path)
    assert [int(read_values(path, page).max()) for page in range(3)] == [10, 20, 30]
    assert read_image(path, "BGR", ValueRange(0, 30, page=1)).max() == 170
    with pytest.raises(OSError, match="3 pages, and INPUT.PAGE is 3"):
        read_values(path, 3)


def test_the_range_of_a_set_is_measured_once(tmp_path):
    paths = [save(tmp_path / f"{i}.png", np.arange(1000 * i, 1000 * i + 1000, dtype=np.uint16).reshape(20, 50))
             for i in range(4)]  # fmt: skip
    assert measure_range(paths, (0.0, 100.0)) == (0.0, 3999.0)
    assert measure_range(paths, (25.0, 75.0)) == (999.0, 3000.0)
    flat = save(tmp_path / "flat.png", np.full((4, 4), 7, np.uint16))
    assert measure_range([flat], (0.1, 99.9)) == (7.0, 8.0)
    with pytest.raises(ValueError, match="there is none"):
        measure_range([], (0.1, 99.9))


def test_channels():
    assert to_channels(np.zeros((2, 3), np.uint8), "BGR").shape == (2, 3, 3)
    assert to_channels(np.zeros((2, 3, 2), np.uint8), "BGR").shape == (2, 3, 3)
    assert to_channels(np.array([[[1, 2, 3, 4]]], np.uint8), "BGR").tolist() == [[[3, 2, 1]]]


def test_the_full_range_is_taken_where_a_model_says_none(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 257, 65535]], np.uint16))
    assert read_image(path, "BGR").tolist() == read_bytes(path.read_bytes(), "BGR", ValueRange()).tolist()
    assert read_image(path, "BGR")[0, :, 0].tolist() == [0, 1, 255] and largest_value(path) == 65535


def test_to_look_at_a_stack_its_page_is_stretched(tmp_path):
    pages = [Image.fromarray(np.linspace(0, top, 48).reshape(6, 8).astype(np.uint16)) for top in (9, 4000)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert read_to_look(tmp_path / "a.tif", "BGR", 1).max() == 255
    assert len(np.unique(read_to_look(tmp_path / "a.tif", "BGR", 0))) == 10
    assert len(np.unique(read_to_look(tmp_path / "a.tif", "BGR", 1))) == 48


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "no.png").write_bytes(b"no image")
    assert not is_deep(tmp_path / "no.png") and not is_deep(io.BytesIO(b"none"))
    with pytest.raises(OSError, match=r"no\.png cannot be read"):
        read_values(tmp_path / "no.png")


# What is stored, by pages, and the page that is wanted.
STORED = {
    "16 bits": ([np.arange(48, dtype=np.uint16).reshape(6, 8) * 90], 0),
    "a stack of 16 bits": ([np.full((6, 8), value, np.uint16) for value in (7, 160, 900)], 1),
    "a stack of 8 bits": ([np.full((6, 8), value, np.uint8) for value in (7, 160, 90)], 1),
    "a stack in colour": ([np.full((6, 8, 3), (value, 120, 180), np.uint8) for value in (7, 160, 90)], 2),
    "floats": ([np.linspace(0, 300, 48, dtype=np.float32).reshape(6, 8)], 0),
    "8 bits": ([np.arange(48, dtype=np.uint8).reshape(6, 8)], 0),
}


@pytest.mark.parametrize("kind", STORED)
def test_every_way_in_gives_the_same_pixels(kind, tmp_path):
    """A path, a file's bytes, an upload, the ONNX runner: what the model sees is what it was trained on."""
    infer_onnx = pytest.importorskip("maskrcnn_project.export.infer_onnx", reason="ONNX files need the extra onnx")
    upload = pytest.importorskip("maskrcnn_project.serve.upload", reason="the extra serve is not installed")
    pages, page = STORED[kind]
    first, *others = [Image.fromarray(each) for each in pages]
    path, values = tmp_path / "image.tif", ValueRange(100, 200, page)
    first.save(path, save_all=bool(others), append_images=others)
    wanted = read_image(path, "BGR", values)
    if pages[page].dtype != np.uint8:
        scaled = np.clip(np.rint((pages[page].astype(float) - 100) * 2.55), 0, 255)
        assert np.array_equal(wanted[:, :, ::-1], np.broadcast_to(scaled.reshape(6, 8, -1), (6, 8, 3)))
    assert np.array_equal(bgr_pixels(path, values), wanted)
    assert np.array_equal(bgr_pixels(path.read_bytes(), values), wanted)
    image, remarks = upload.decode(path.read_bytes(), upload.Limits(), values)
    assert np.array_equal(image, wanted)
    assert any(f"page {page} (from 0) is taken" in remark for remark in remarks) == bool(others)
    assert np.array_equal(infer_onnx.read_image(path, (100, 200), page)[:, :, ::-1], wanted)


def test_an_upload_without_the_page_that_the_model_was_trained_on(tmp_path):
    upload = pytest.importorskip("maskrcnn_project.serve.upload", reason="the extra serve is not installed")
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "image.tif")
    with pytest.raises(upload.HTTPException) as refused:
        upload.decode((tmp_path / "image.tif").read_bytes(), upload.Limits(), ValueRange(page=3))
    assert refused.value.status_code == 422
    assert "it has 1 page, and INPUT.PAGE is 3 (from 0)" in refused.value.detail
