"""A set of images of each depth goes through the tools: checked, trained, evaluated, predicted, drawn, exported."""

import json

import cv2
import numpy as np
import pytest

from tests.plugin.datasets.odd_sets import HEIGHT, WIDTH, sound
from tests.plugin.datasets.test_odd_sets import run_tool_here
from tests.plugin.datasets.test_stored_image import tiff
from tests.plugin.test_run_folder_end_to_end import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("catalogs_as_before")]


def colours(values):
    return np.repeat(values[:, :, None], 3, axis=2)


def write_stack(path, values, others):
    assert cv2.imwritemulti(str(path), [others, values])


# kind -> (suffix, how the values 0 to 1 of a picture are written, options of training)
KINDS = {
    "16 bits": ("png", lambda path, v: cv2.imwrite(str(path), (v * 4000).astype(np.uint16)), []),
    "16 bits in colour": ("png", lambda path, v: cv2.imwrite(str(path), colours((v * 4000).astype(np.uint16))), []),
    "64-bit floats": ("tif", lambda path, v: path.write_bytes(tiff(v * 3)), []),
    "a stack of 16 bits": (
        "tif",
        lambda path, v: write_stack(path, (v * 900).astype(np.uint16), np.zeros((HEIGHT, WIDTH), np.uint16)),
        ["INPUT.PAGE", 1],
    ),
    "a stack of 8 bits behind a preview": (
        "tif",
        lambda path, v: write_stack(path, (v * 250).astype(np.uint8), np.zeros((24, 32), np.uint8)),
        ["INPUT.PAGE", 1],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_of_this_depth(kind, tmp_path):
    suffix, write, options = KINDS[kind]
    content = sound()
    (tmp_path / "img").mkdir()
    rng = np.random.default_rng(0)
    for image in content["images"]:
        picture = rng.random((HEIGHT, WIDTH)) * 0.2
        for row in content["annotations"]:
            if row["image_id"] == image["id"]:
                x, y, w, h = row["bbox"]
                picture[y : y + h, x : x + w] += 0.6
        image["file_name"] = f"{image['id']}.{suffix}"
        write(tmp_path / "img" / image["file_name"], picture)
    file = tmp_path / "set.json"
    file.write_text(json.dumps(content))
    sets = ["--images", tmp_path / "img", "--annotations", file]
    page = ["--page", options[1]] if options else []
    assert run_tool_here("check_dataset", *sets, *page) == 0
    val = ["--val-images", tmp_path / "img", "--val-annotations", file]
    own = ["--backbone", "resnet18", "--short-edge", 64, "--output", tmp_path / "run", "--batch-size", 2]
    assert run_tool_here("train_net", *sets, *val, *own, *TINY, "SOLVER.MAX_ITER", 2, *options) == 0
    found = ["--input", tmp_path / "img", "--output", tmp_path / "found", "--score-threshold", 0]
    assert run_tool_here("predict", "--run", tmp_path / "run", *found) == 0
    config = tmp_path / "run" / "config.yaml"
    assert run_tool_here("visualize_data", "--config-file", config, "--output", tmp_path / "seen") == 0
    assert run_tool_here("visualize_json_results", "--run", tmp_path / "run", "--output", tmp_path / "drawn") == 0
    drawn = cv2.imread(str(next(path for path in (tmp_path / "seen").rglob("1*.png"))))
    assert drawn.std() > 20  # the page with the objects, stretched to be looked at
    model = tmp_path / "model.ts"
    assert run_tool_here("export_model", "--run", tmp_path / "run", "--format", "torchscript", "--output", model) == 0
    tiles = [*sets, "--output", tmp_path / "tiles", "--tile", 32, *page]
    assert run_tool_here("edit_dataset", "tile", *tiles) == 0
