"""Every format: what the file finds on sizes that it was not recorded on, and what it says of itself."""

import json
import zipfile

import pytest
import torch

from maskrcnn_project.export import onnx_file, torch_export_file
from maskrcnn_project.export.formats import FORMATS, record_graph
from maskrcnn_project.export.parity import Tolerance, compare_outputs
from tests.plugin.export.conftest import THRESHOLD

# (height, width): recorded on 128 x 160. Odd sides are padded by the model, and give levels other numbers of anchors.
SIZES = [(96, 160), (203, 97), (70, 131), (320, 416)]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_finds_what_the_model_finds(format, write, deployed, noise):
    file = write(format).run
    for size in SIZES:
        image = noise(*size)
        with torch.no_grad():
            wanted = deployed(image)
        comparison = compare_outputs(wanted, file(image), size, THRESHOLD, Tolerance())
        assert comparison.passed and comparison.unpaired == 0 and comparison.count > 0, comparison
        assert comparison.box < 1e-3 and comparison.score < 1e-4
        assert wanted[3].shape == (comparison.count, *size) and wanted[3].any()


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_found_is_empty(format, write, deployed):
    # the mean of MODEL.PIXEL_MEAN everywhere: all features are 0, and all three classes as likely
    image = deployed.model.pixel_mean.expand(3, 96, 130).contiguous()
    boxes, classes, scores, masks = write(format).run(image)
    assert boxes.shape == (0, 4) and classes.shape == (0,) and scores.shape == (0,) and masks.shape == (0, 96, 130)
    assert (boxes.dtype, classes.dtype, scores.dtype, masks.dtype) == (
        torch.float32,
        torch.int64,
        torch.float32,
        torch.bool,
    )


def facts_in(format, path):
    """The metadata as a stranger reads them; both of PyTorch's archives are ZIP files."""
    if format == "onnx":
        import onnx

        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    with zipfile.ZipFile(path) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/extra/metadata.json")]
        return json.loads(archive.read(name))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_says_what_it_is(format, write):
    metadata = facts_in(format, write(format).path)
    assert metadata == write(format).metadata
    assert json.loads(metadata["class_names"]) == ["square", "disk"] and json.loads(metadata["class_ids"]) == [3, 7]
    assert metadata["channel_order"] == "BGR" and (metadata["short_edge"], metadata["max_size"]) == ("96", "160")
    assert float(metadata["score_threshold"]) == THRESHOLD and metadata["masks"] == "image"


@pytest.mark.parametrize("format", ["onnx", "torch_export"])
def test_a_file_names_no_folder_of_the_machine_that_wrote_it(format, write):
    path = write(format).path
    content = path.read_bytes()
    if format == "torch_export":
        with zipfile.ZipFile(path) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"rcnn.py" not in content


def test_onnx_inputs_and_outputs_are_named(write):
    import onnxruntime

    session = onnxruntime.InferenceSession(write("onnx").path, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["image"]
    assert [o.name for o in session.get_outputs()] == ["boxes", "classes", "scores", "masks"]
    fixed = [[side for side in i.shape if isinstance(side, int)] for i in session.get_inputs()]
    assert fixed == [[3]]  # height and width are free


def test_an_old_opset_is_refused(deployed, noise, tmp_path):
    with pytest.raises(ValueError, match="at least 18.*but is 11"):
        onnx_file.write(deployed, noise(128, 160), tmp_path / "a.onnx", {}, opset=11)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(onnx_file, "NEEDED", ("numpy", "no_such_package"))
    with pytest.raises(ImportError, match="the package no_such_package: pip install no_such_package"):
        onnx_file.require_onnx()


def test_what_cannot_be_recorded_is_one_sentence(tmp_path, capfd):
    class Branch(torch.nn.Module):
        def forward(self, image):
            return image + 1 if len(image.nonzero()) == 5 else image

    with pytest.raises(ValueError, match="^This model cannot be recorded as torch.export: .+another format") as raised:
        torch_export_file.write(Branch(), torch.ones(3, 8, 9), tmp_path / "a.pt2", {})
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_the_root_of_a_chain_of_errors_is_told():
    with pytest.raises(ValueError, match="recorded as X: KeyError: 'the cause'; another"), record_graph("X"):
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise RuntimeError("pages of\nadvice") from error
