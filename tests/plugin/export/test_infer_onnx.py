"""The script that runs an ONNX file where there is neither this package nor torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.layers import paste_masks_in_image
from PIL import Image

from maskrcnn_project.datasets.image_file import ValueRange, read_image
from maskrcnn_project.export.samples import model_input
from maskrcnn_project.files import RESULTS_FILE, images_below
from tests.places import ROOT

SCRIPT = ROOT / "maskrcnn_project/export/infer_onnx.py"
BLOCKED = ("torch", "torchvision", "maskrcnn_project", "detectron2", "cv2", "onnx")

infer_onnx = pytest.importorskip("maskrcnn_project.export.infer_onnx", reason="ONNX files need the extra onnx")


def run_without_torch(folder, *arguments):
    """The script in a process in which none of BLOCKED can be imported."""
    for name in BLOCKED:
        (folder / f"{name}.py").write_text("raise ImportError('this must not be imported')")
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_picture_from_file_to_json_and_masks(write, deployed, cfg, photo, tmp_path):
    model, picture, blocked, output = write("onnx").path, tmp_path / "photo.png", tmp_path / "no", tmp_path / "out"
    blocked.mkdir()
    cv2.imwrite(str(picture), photo)
    done = run_without_torch(blocked, model, picture, "--output", output)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        boxes, classes, scores, masks = (x.numpy() for x in deployed(model_input(photo, cfg)))
    assert len(boxes) > 3 and done.stdout == f"{picture}: {len(boxes)} instances\n"

    content = json.loads((output / "photo.png.json").read_text())
    assert (content["height"], content["width"]) == (90, 120)
    found = content["instances"]
    assert [item["category_id"] for item in found] == [[3, 7][number] for number in classes]
    assert {(item["class"], item["category_id"]) for item in found} <= {("square", 3), ("disk", 7)}
    np.testing.assert_allclose([item["score"] for item in found], scores, atol=2e-4)
    np.testing.assert_allclose([item["box"] for item in found], boxes * 90 / 96, atol=0.02)

    numbers = np.asarray(Image.open(output / "photo.png.masks.png"))
    assert numbers.shape == (90, 120)
    wanted = np.zeros((96, 128), np.uint16)
    for index in reversed(range(len(masks))):
        wanted[masks[index]] = index + 1
    whole = cv2.resize(wanted, (120, 90), interpolation=cv2.INTER_NEAREST)
    assert (whole == numbers).mean() > 0.95 and numbers.max() > 0  # but for borders


def test_a_missing_file_is_one_sentence(tmp_path):
    done = run_without_torch(tmp_path, tmp_path / "no.onnx", "a.png")
    assert (done.returncode, done.stderr) == (1, f"error: There is no file {tmp_path / 'no.onnx'}.\n")


def test_a_strange_file_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", sides[:1], sides[1:]), ir_version=9)
    model.opset_import[0].version = 18
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="does not name its classes"):
        infer_onnx.Model(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize("size", [(90, 120), (480, 640), (640, 480), (100, 1000), (77, 77), (333, 501)])
@pytest.mark.parametrize(("short_edge", "max_size"), [(800, 1333), (96, 160)])
def test_sizes_are_those_of_testing(size, short_edge, max_size):
    wanted = ResizeShortestEdge.get_output_shape(*size, short_edge, max_size)
    assert infer_onnx.input_size(*size, short_edge, max_size) == wanted


def test_an_edge_of_zero_leaves_the_size():
    assert infer_onnx.input_size(33, 44, 0, 10) == (33, 44)


@pytest.mark.parametrize(
    "box",
    [
        [3.2, 4.7, 17.9, 22.1],
        [0.0, 0.0, 30.0, 24.0],  # the whole image
        [-4.0, 20.0, 6.5, 29.0],  # beyond two of its borders
        [5.0, 5.0, 5.0, 9.0],  # of no width
    ],
)
def test_masks_are_pasted_as_in_the_predictor(box):
    mask = torch.rand(28, 28, generator=torch.Generator().manual_seed(1))
    wanted = paste_masks_in_image(mask[None], torch.tensor([box]), (24, 30), threshold=0.5)[0].numpy()
    x, y, part = infer_onnx.paste(mask.numpy(), np.float32(box), 24, 30)
    pasted = np.zeros((24, 30), bool)
    pasted[y : y + part.shape[0], x : x + part.shape[1]] = part >= 0.5
    assert (pasted != wanted).sum() == 0


class OneInstance:
    """In the place of a model: an instance on the left half of every image; it fails on images 13 pixels wide."""

    class_names, class_ids = ["disk"], [7]

    metadata: dict = {}

    def __init__(self, path):
        pass

    def __call__(self, image):
        height, width = image.shape[:2]
        if width == 13:
            raise RuntimeError("unlucky")
        part = np.ones((height, max(1, width // 2)), bool)
        return np.array([[0, 0, width / 2, height]]), np.array([0]), np.array([0.9]), [(0, 0, part)]


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """A function that runs the script in ``tmp_path``; gives (exit code, outputs, errors)."""
    monkeypatch.setattr(infer_onnx, "Model", OneInstance)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["infer_onnx.py", "m.onnx", *map(str, words)])
        code = 0
        try:
            infer_onnx.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def draw(*names, size=(8, 6)):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path)


def results(folder="."):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.json"))


def test_images_of_one_name_have_results_each_and_a_file_named_twice_is_done_once(run_here):
    draw("a/x.png", "b/x.png", "b/y.png")
    code, said, _ = run_here("a/x.png", "b/x.png", "a/x.png", "a/../b/x.png", "--output", "out")
    assert (code, said.count("instances")) == (0, 2) and results("out") == ["a/x.png.json", "b/x.png.json"]
    assert run_here("a/x.png", "b/y.png", "--output", "flat")[0] == 0
    assert results("flat") == ["x.png.json", "y.png.json"]


def test_an_image_that_goes_wrong_costs_itself_alone_and_is_named(run_here):
    draw("a.png", "b.png")
    draw("c.png", size=(13, 4))
    draw("n" * 246 + ".png")
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:40])
    Path("p.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    wrong = ["cut.png", "c.png", "p.heic", "gone.png", "n" * 246 + ".png"]
    code, said, errors = run_here("a.png", *wrong, "b.png", "--output", "out")
    assert code == "error: 5 of 7 images could not be done." and results("out") == ["a.png.json", "b.png.json"]
    for name in wrong:
        assert f"error: {name}: " in errors
    assert "c.png: unlucky" in errors and "it is HEIC, which is not read: convert it to JPEG or PNG" in errors
    assert "Traceback" not in errors


def test_nothing_but_earlier_results_is_overwritten(run_here):
    draw("x.png", "x.png.masks.png", "y.png", "other/y.png")
    Path("y.png.json").write_text("an annotation")
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    code, _, errors = run_here("x.png", "x.png.masks.png", "y.png")
    assert "2 of 3" in code and "x.png.masks.png exists already" in errors and "y.png.json exists already" in errors
    assert all(path.read_bytes() == content for path, content in before.items())
    assert run_here("y.png", "--output", "out")[0] == run_here("y.png", "--output", "out")[0] == 0  # again
    code, _, errors = run_here("other/y.png", "--output", "out")
    assert "y.png.json holds what was found in y.png and is not overwritten" in errors


def test_masks_that_were_written_are_no_photographs(run_here):
    draw("x.png")
    assert run_here("x.png")[0] == 0 and Path("x.png.masks.png").is_file()
    assert infer_onnx.RESULTS_FILE == RESULTS_FILE
    assert images_below(Path())[0] == [Path("x.png")]


def test_a_thin_image_keeps_a_pixel():
    assert infer_onnx.input_size(1, 5000, 800, 1333) == (1, 1333)


def test_what_is_no_onnx_file_is_one_sentence(tmp_path):
    (tmp_path / "cut.onnx").write_bytes(b"no model")
    done = run_without_torch(tmp_path, tmp_path / "cut.onnx", "a.png")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert f"error: {tmp_path / 'cut.onnx'} is no ONNX file that can be loaded" in done.stderr


def test_images_of_more_than_8_bits_are_read_as_in_training(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    Image.fromarray(np.rint(grey * (4000 / 255)).astype(np.uint16)).save(tmp_path / "deep.png")
    found = infer_onnx.read_image(tmp_path / "deep.png", [0, 4000])
    assert np.array_equal(found, np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(found, read_image(tmp_path / "deep.png", "RGB", ValueRange(0, 4000)))
    with pytest.raises(ValueError, match="no page 3"):
        infer_onnx.read_image(tmp_path / "deep.png", (), 3)
