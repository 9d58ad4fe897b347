"""A project that shows what it has: data, predictions and a video, with a predictor from a file of weights."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.video_visualizer import VideoVisualizer
from detectron2.utils.visualizer import ColorMode, GenericMask, Visualizer

from tests.contract.tiny import CLASSES, coco_set, tiny_cfg


@pytest.fixture
def dataset(tmp_path):
    with coco_set(tmp_path, "project_pictures") as name:
        yield name


@pytest.fixture
def record(dataset):
    return DatasetCatalog.get(dataset)[0]


@pytest.fixture
def bgr(record):
    return cv2.imread(record["file_name"])


def predictions(record):
    """The annotations as a model would give them."""
    found = Instances((record["height"], record["width"]))
    found.pred_boxes = Boxes(torch.tensor([[6.0, 8.0, 28.0, 30.0], [35.0, 33.0, 57.0, 55.0]]))
    found.scores, found.pred_classes = torch.tensor([0.9, 0.8]), torch.tensor([0, 1])
    masks = torch.zeros(2, record["height"], record["width"], dtype=torch.bool)
    masks[0, 8:30, 6:28] = masks[1, 33:55, 35:57] = True
    found.pred_masks = masks
    return found


def test_a_predictor_and_its_picture(dataset, record, bgr, tmp_path):
    cfg = tiny_cfg()
    cfg.DATASETS.TEST = (dataset,)
    DatasetCatalog.get(dataset)  # which is when the names of the classes become known
    DetectionCheckpointer(build_model(cfg), save_dir=str(tmp_path)).save("model_own")
    cfg.MODEL.WEIGHTS = str(tmp_path / "model_own.pth")
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.1
    predictor = DefaultPredictor(cfg)
    assert predictor.metadata.thing_classes == CLASSES
    outputs = predictor(bgr)
    found = outputs["instances"].to("cpu")
    assert found.image_size == bgr.shape[:2]
    assert (found.scores > 0.1).all() and len(found) <= 5
    visualizer = Visualizer(bgr[:, :, ::-1], metadata=predictor.metadata, scale=1.5, instance_mode=ColorMode.IMAGE_BW)
    picture = visualizer.draw_instance_predictions(found).get_image()[:, :, ::-1]
    assert picture.shape == (96, 120, 3) and picture.dtype == np.uint8
    assert cv2.imwrite(str(tmp_path / "shown.jpg"), picture)


@pytest.mark.parametrize("mode", list(ColorMode))
def test_predictions_in_every_mode(dataset, record, bgr, mode):
    metadata = MetadataCatalog.get(dataset)
    DatasetCatalog.get(dataset)
    shown = Visualizer(bgr[:, :, ::-1], metadata, instance_mode=mode).draw_instance_predictions(predictions(record))
    picture = shown.get_image()
    assert picture.shape == bgr.shape
    changed = (picture != bgr[:, :, ::-1]).any(axis=2)
    assert changed[9:29, 7:27].mean() > 0.5  # the masks are filled
    if mode == ColorMode.IMAGE_BW:
        corner = picture[60:, :4].astype(int)
        assert (corner.max(axis=2) == corner.min(axis=2)).all()


def test_ground_truth(dataset, record, bgr, tmp_path):
    visualizer = Visualizer(bgr[:, :, ::-1], metadata=MetadataCatalog.get(dataset), scale=2)
    shown = visualizer.draw_dataset_dict(record)
    assert shown.get_image().shape == (128, 160, 3)
    shown.save(str(tmp_path / "truth.png"))
    assert cv2.imread(str(tmp_path / "truth.png")).shape == (128, 160, 3)


@pytest.mark.parametrize("kind", ["polygons", "bits", "boxes"])
def test_overlays_by_hand(record, bgr, kind):
    given = {
        "polygons": {"masks": [a["segmentation"] for a in record["annotations"]]},
        "bits": {"masks": predictions(record).pred_masks.numpy()},
        "boxes": {"boxes": predictions(record).pred_boxes},
    }[kind]
    visualizer = Visualizer(bgr[:, :, ::-1])
    shown = visualizer.overlay_instances(**given, labels=["a", "b"], assigned_colors=[(1, 0, 0), "g"], alpha=0.7)
    assert (shown.get_image() != bgr[:, :, ::-1]).any()


def test_an_overlay_of_nothing(bgr):
    shown = Visualizer(bgr[:, :, ::-1]).overlay_instances(boxes=np.zeros((0, 4)), labels=[])
    assert (shown.get_image() == bgr[:, :, ::-1]).all()


def test_single_strokes(bgr):
    visualizer = Visualizer(bgr[:, :, ::-1])
    block = np.zeros((64, 80), np.uint8)
    block[40:60, 4:20] = 1
    visualizer.draw_box((5, 5, 40, 40), edge_color="r")
    visualizer.draw_line([0, 20], [0, 20], color=(0, 1, 0))
    visualizer.draw_circle((50, 20), color="b", radius=4)
    visualizer.draw_text("text", (30, 2), color="w")
    visualizer.draw_polygon(np.array([[1, 1], [9, 1], [9, 9]]), color="y")
    visualizer.draw_binary_mask(block, color="c", area_threshold=0)
    visualizer.draw_soft_mask(np.full((64, 80), 0.7, np.float32), text="soft")
    assert (visualizer.get_output().get_image() != bgr[:, :, ::-1]).any()


def test_a_mask_and_its_outline():
    bits = np.zeros((20, 30), np.uint8)
    bits[5:15, 10:20] = 1
    mask = GenericMask(bits, 20, 30)
    assert mask.area() == 100 and not mask.has_holes
    x0, y0, x1, y1 = mask.bbox()
    assert abs(x0 - 10) <= 1 and abs(y0 - 5) <= 1 and abs(x1 - 20) <= 1 and abs(y1 - 15) <= 1
    assert len(mask.polygons) == 1


def test_a_video_keeps_its_colours(dataset, record, bgr):
    video = VideoVisualizer(MetadataCatalog.get(dataset), ColorMode.IMAGE)
    frame = bgr[:, :, ::-1]
    first = video.draw_instance_predictions(frame, predictions(record)).get_image()
    turned = predictions(record)[torch.tensor([1, 0])]  # the same objects in another order
    second = video.draw_instance_predictions(frame, turned).get_image()
    assert first[25, 22].tolist() == second[25, 22].tolist()
    assert first[50, 46].tolist() == second[50, 46].tolist()
