"""Names that Detectron2 does not document, but that many projects import: each at the path where they look for it."""

import pytest
import torch
from detectron2.data.datasets import register_coco, register_coco_instances
from detectron2.utils import env
from detectron2.utils.colormap import random_color
from detectron2.utils.env import TORCH_VERSION
from detectron2.utils.visualizer import random_color as beside_the_visualizer


def test_the_version_of_torch():
    assert ".".join(map(str, TORCH_VERSION)) + "." in torch.__version__
    assert TORCH_VERSION >= (1, 8)
    with pytest.raises(AttributeError, match="TORCH_VERSIONS"):
        env.TORCH_VERSIONS  # noqa: B018


def test_colours_beside_the_visualizer():
    assert beside_the_visualizer is random_color


def test_registration_of_coco_sets():
    assert register_coco.register_coco_instances is register_coco_instances
    with pytest.raises(ImportError, match="panoptic"):
        register_coco.register_coco_panoptic_separated  # noqa: B018


@pytest.mark.parametrize(
    ("module", "name"),
    [("detectron2.export", "Caffe2Tracer"), ("detectron2.projects", "point_rend"), ("detectron2.projects", "deeplab")],
)
def test_what_is_left_out_says_so(module, name):
    with pytest.raises(ImportError, match=f"{module}.{name} is not in this stand-in.*install the real Detectron2"):
        exec(f"from {module} import {name}")
