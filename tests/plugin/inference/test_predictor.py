"""A model as a function: whatever is an image is taken, whatever is none is refused in a sentence."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.inference import Predictor
from maskrcnn_project.inference.predictor import bgr_pixels, indices_by_size
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.class_table import ClassTable
from tests.contract.tiny import CATEGORY_IDS, CLASSES, draw_set, tiny_cfg


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """Random weights that find something everywhere."""
    folder = tmp_path_factory.mktemp("predictor")
    cfg = tiny_cfg(folder)
    add_maskrcnn_config(cfg)
    torch.manual_seed(0)
    table = ClassTable(tuple(CLASSES), tuple(CATEGORY_IDS))
    torch.save({"model": build_model(cfg).state_dict(), "classes": table.state_dict()}, folder / "model_final.pth")
    return Predictor(cfg, folder / "model_final.pth", score_threshold=0.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four pictures of different sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_set(folder)
    return sorted(folder.glob("*.png"))


def test_no_images_give_no_results(predictor):
    assert predictor.predict([]) == [] == predictor.detect([])


def test_one_image_in_every_form_is_one_image(files):
    rgb = Image.open(files[0]).convert("RGB")
    wanted = np.asarray(rgb)[:, :, ::-1]
    stream = io.BytesIO()
    rgb.save(stream, "PNG")
    for form in (files[0], str(files[0]), stream.getvalue(), rgb, wanted, torch.from_numpy(wanted.copy())):
        found = bgr_pixels(form)
        assert found.dtype == np.uint8 and np.array_equal(found, wanted), type(form)


def test_a_photograph_that_was_turned_is_upright():
    turned = Image.new("RGB", (4, 2))
    turned.getexif()[0x0112] = 6  # to be turned by 90 degrees
    assert bgr_pixels(turned).shape == (4, 2, 3)


@pytest.mark.parametrize(
    ("form", "error", "words"),
    [
        (None, TypeError, "a path, the bytes of a file, .* but came as NoneType"),
        ([1, 2], TypeError, "but came as list"),
        (b"no image", OSError, "bytes of an image cannot be decoded"),
        (np.zeros((0, 10, 3), np.uint8), ValueError, r"with pixels, but came as \(0, 10, 3\)"),
        (np.zeros((4, 5), np.uint8), ValueError, r"came as \(4, 5\) uint8"),
        (np.zeros((4, 5, 3), np.float32), ValueError, "float32"),
        (torch.zeros(3, 4, 5, dtype=torch.uint8), ValueError, r"\(3, 4, 5\)"),
        ("none.png", OSError, "none.png"),
    ],
)
def test_what_is_no_image(form, error, words):
    with pytest.raises(error, match=words):
        bgr_pixels(form)


def test_a_batch_of_mixed_sizes_gives_what_one_by_one_gives(predictor, files):
    together = predictor.detect(files)
    assert sum(map(len, together)) > 0
    for file, found in zip(files, together, strict=True):
        [alone] = predictor.detect([file])
        assert np.array_equal(alone.boxes, found.boxes) and np.array_equal(alone.scores, found.scores)
        assert alone.masks == found.masks


def test_inputs_of_one_size_stay_together():
    sizes = [(3, 4, 5), (3, 4, 6), (3, 4, 5)]
    assert indices_by_size([{"image": torch.zeros(size)} for size in sizes]) == [[0, 2], [1]]


def test_an_image_of_one_pixel_in_height(predictor):
    [found] = predictor.detect([np.zeros((1, 5000, 3), np.uint8)])
    assert found.size == (1, 5000)


def test_results_have_the_category_ids_of_the_data_set(predictor, files):
    [found] = predictor.detect(files[:1])
    assert len(found) and {row["category_id"] for row in found.to_results(1)} <= set(CATEGORY_IDS)
