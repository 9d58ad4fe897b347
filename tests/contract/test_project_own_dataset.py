"""A project whose data are no COCO file: records from a function, its own transforms, mapper, sampler and loaders."""

import copy
import json

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    DatasetMapper,
    MapDataset,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.data.datasets import convert_to_coco_json
from detectron2.data.samplers import InferenceSampler, RepeatFactorTrainingSampler, TrainingSampler
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances

from tests.contract.tiny import CLASSES, SIZES, draw_set, forget, tiny_cfg, train_step

NAMES = {part: f"project_own_{part}" for part in ("train", "val")}


@pytest.fixture
def records(tmp_path):
    """Two registered parts of the drawn set, which are plain lists of dicts with names of classes."""
    records = draw_set(tmp_path)
    for part, name in NAMES.items():
        chosen = records[:2] if part == "train" else records[2:]
        DatasetCatalog.register(name, lambda chosen=chosen: copy.deepcopy(chosen))
        MetadataCatalog.get(name).set(thing_classes=CLASSES, evaluator_type="coco")
    yield records
    forget(*NAMES.values())


class TrueModel(torch.nn.Module):
    """Gives back the annotations as detections, each of which it is sure of."""

    def __init__(self, records):
        super().__init__()
        self.annotations = {r["image_id"]: r["annotations"] for r in records}

    def forward(self, batched_inputs):
        outputs = []
        for x in batched_inputs:
            size, annotations = (x["height"], x["width"]), self.annotations[x["image_id"]]
            found = Instances(size)
            found.pred_boxes = Boxes(torch.tensor([a["bbox"] for a in annotations]))
            found.scores = torch.ones(len(annotations))
            found.pred_classes = torch.tensor([a["category_id"] for a in annotations])
            polygons = [[np.array(p) for p in a["segmentation"]] for a in annotations]
            found.pred_masks = BitMasks.from_polygon_masks(polygons, *size).tensor
            outputs.append({"instances": found})
        return outputs


def test_catalogs_know_it(records):
    assert MetadataCatalog.get(NAMES["train"]).thing_classes == CLASSES
    assert [r["image_id"] for r in DatasetCatalog.get(NAMES["val"])] == [2, 3]
    assert NAMES["val"] in DatasetCatalog.list() and NAMES["val"] in MetadataCatalog.list()
    both = get_detection_dataset_dicts(list(NAMES.values()))
    assert [r["image_id"] for r in both] == [0, 1, 2, 3]
    with pytest.raises(AssertionError):
        DatasetCatalog.register(NAMES["val"], list)
    with pytest.raises(AssertionError):
        MetadataCatalog.get(NAMES["val"]).thing_classes = ["another"]


def test_perfect_detections_score_100(records, tmp_path):
    loader = build_detection_test_loader(
        DatasetCatalog.get(NAMES["val"]), mapper=DatasetMapper(tiny_cfg(), is_train=False), batch_size=2
    )
    assert len(loader) == 1
    evaluator = COCOEvaluator(NAMES["val"], output_dir=str(tmp_path / "inference"))
    results = inference_on_dataset(TrueModel(records), loader, evaluator)
    assert results["bbox"]["AP"] == results["segm"]["AP"] == pytest.approx(100)
    assert results["segm"]["AP-square"] == results["segm"]["AP-disk"] == pytest.approx(100)
    written = json.loads((tmp_path / "inference" / "coco_instances_results.json").read_text())
    assert {(d["image_id"], d["category_id"]) for d in written} == {(2, 0), (2, 1), (3, 0), (3, 1)}


def test_as_a_coco_file(records, tmp_path):
    convert_to_coco_json(NAMES["train"], str(tmp_path / "train.json"), allow_cached=False)
    coco = json.loads((tmp_path / "train.json").read_text())
    assert [c["name"] for c in coco["categories"]] == CLASSES
    assert [(i["height"], i["width"]) for i in coco["images"]] == SIZES[:2]
    assert coco["annotations"][0]["bbox"] == [6, 8, 22, 22]
    assert coco["annotations"][0]["area"] == pytest.approx(484)


class Posterise(T.Transform):
    """Fewer shades; nothing moves."""

    def __init__(self, bits: int):
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img):
        return img & np.uint8(256 - 2 ** (8 - self.bits))

    def apply_coords(self, coords):
        return coords

    def apply_segmentation(self, segmentation):
        return segmentation

    def inverse(self):
        return T.NoOpTransform()


class Transpose(T.Transform):
    """Rows become columns."""

    def apply_image(self, img):
        return np.ascontiguousarray(np.swapaxes(img, 0, 1))

    def apply_coords(self, coords):
        return coords[:, ::-1]

    def inverse(self):
        return self


class RandomPosterise(T.Augmentation):
    def __init__(self, low, high):
        super().__init__()
        self._init(locals())

    def get_transform(self, image):
        return Posterise(int(self._rand_range(self.low, self.high + 1)))


class CropAroundABox(T.Augmentation):
    """Sees the boxes too, because its get_transform names them."""

    def __init__(self, margin=4):
        self.margin = margin

    def get_transform(self, image, boxes):
        x0, y0, x1, y1 = boxes[np.random.randint(len(boxes))]
        x0, y0 = max(int(x0) - self.margin, 0), max(int(y0) - self.margin, 0)
        x1, y1 = min(int(x1) + self.margin, image.shape[1]), min(int(y1) + self.margin, image.shape[0])
        return T.CropTransform(x0, y0, x1 - x0, y1 - y0)


def test_own_transforms_move_everything(records):
    record = records[0]
    image = utils.read_image(record["file_name"], format="BGR")
    boxes = np.array([a["bbox"] for a in record["annotations"]], dtype=np.float32)
    given = T.AugInput(image, boxes=boxes, sem_seg=image[:, :, 0])
    transforms = T.AugmentationList([RandomPosterise(2, 2), Transpose(), T.NoOpTransform()])(given)
    assert given.image.shape == (80, 64, 3) and given.sem_seg.shape == (80, 64)
    assert not (given.image % 64).any()  # two bits are left
    assert given.boxes[0].tolist() == [8, 6, 30, 28]  # of x 6..28, y 8..30
    polygon = transforms.apply_polygons([np.array(record["annotations"][0]["segmentation"][0]).reshape(-1, 2)])[0]
    assert sorted(map(tuple, polygon)) == [(8, 6), (8, 28), (30, 6), (30, 28)]
    assert transforms.inverse().apply_box(given.boxes)[0].tolist() == [6, 8, 28, 30]
    assert "RandomPosterise" in repr(RandomPosterise(2, 3))


def test_an_augmentation_that_looks_at_boxes(records):
    image = utils.read_image(records[0]["file_name"], format="BGR")
    given = T.AugInput(image, boxes=np.array([[10.0, 20.0, 30.0, 50.0]]))
    given.apply_augmentations([CropAroundABox(margin=2)])
    assert given.image.shape == (34, 24, 3)
    assert given.boxes.tolist() == [[2, 2, 22, 32]]


def test_a_new_kind_of_data(records):
    Transpose.register_type("points", lambda transform, points: points[:, ::-1])
    assert Transpose().apply_points(np.array([[1, 2]])).tolist() == [[2, 1]]


class OwnMapper(DatasetMapper):
    """Detectron2's mapper with another last step."""

    def __call__(self, dataset_dict):
        mapped = super().__call__(dataset_dict)
        mapped["brightness"] = float(mapped["image"].float().mean())
        return mapped


def test_loaders_from_arguments(records):
    mapper = OwnMapper(
        is_train=True,
        augmentations=[T.ResizeShortestEdge(64, 128), T.RandomFlip(prob=1.0)],
        image_format="RGB",
        use_instance_mask=True,
        instance_mask_format="bitmask",
    )
    dicts = get_detection_dataset_dicts(NAMES["train"], filter_empty=True)
    loader = build_detection_train_loader(
        dicts,
        mapper=mapper,
        sampler=TrainingSampler(len(dicts), shuffle=False),
        total_batch_size=2,
        aspect_ratio_grouping=False,
        num_workers=0,
    )
    batch = next(iter(loader))
    assert [x["image_id"] for x in batch] == [0, 1]
    first = batch[0]["instances"]
    assert first.gt_boxes.tensor[0].tolist() == [80 - 28, 8, 80 - 6, 30]
    assert isinstance(first.gt_masks, BitMasks) and first.gt_masks.tensor.shape == (2, 64, 80)
    assert batch[0]["image"][:, 20, 80 - 20].tolist() == [255, 0, 0]  # the square is red, in RGB order
    assert batch[0]["brightness"] > 0
    cfg = tiny_cfg()
    train_step(cfg, build_model(cfg), batch)


def test_datasets_and_samplers_by_hand(records):
    cfg = tiny_cfg()
    dataset = MapDataset(DatasetFromList(records, copy=True, serialize=True), DatasetMapper(cfg, is_train=True))
    assert len(dataset) == 4
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(records, 0.5)
    assert factors.tolist() == [1.0] * 4  # no class is rare
    grouped = build_detection_train_loader(
        dataset, mapper=None, sampler=RepeatFactorTrainingSampler(factors, seed=3), total_batch_size=2
    )
    for _, batch in zip(range(3), grouped, strict=False):
        assert len({x["width"] > x["height"] for x in batch}) == 1
    inference = build_detection_test_loader(records, mapper=lambda r: r["image_id"], sampler=InferenceSampler(4))
    assert list(inference) == [[0], [1], [2], [3]]
    arrays = build_detection_test_loader(records, mapper=lambda r: r["image_id"], batch_size=3, collate_fn=np.array)
    assert [x.tolist() for x in arrays] == [[0, 1, 2], [3]]


def test_loaders_from_a_cfg_with_own_data_in_place(records):
    cfg = tiny_cfg()
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (NAMES["train"],), (NAMES["val"],)
    loader = build_detection_train_loader(cfg, dataset=records[1:3], mapper=lambda r: r, total_batch_size=1)
    assert {batch[0]["image_id"] for _, batch in zip(range(8), loader, strict=False)} == {1, 2}
    assert len(build_detection_test_loader(cfg, NAMES["val"])) == 2


def test_masks_as_run_lengths_and_pictures_with_an_orientation(records, tmp_path):
    record = copy.deepcopy(records[0])
    for a in record["annotations"]:
        (polygon,) = a["segmentation"]
        mask = BitMasks.from_polygon_masks([[np.array(polygon)]], record["height"], record["width"]).tensor[0]
        a["segmentation"] = coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
        a["bbox"] = BoxMode.convert(a["bbox"], BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
        a["bbox_mode"] = BoxMode.XYWH_ABS
    cfg = tiny_cfg()
    cfg.INPUT.MASK_FORMAT, cfg.INPUT.RANDOM_FLIP = "bitmask", "none"
    mapped = DatasetMapper(cfg, is_train=True)(record)["instances"]
    assert mapped.gt_boxes.tensor[0].tolist() == [6, 8, 28, 30]
    assert mapped.gt_masks.tensor.sum(dim=(1, 2)).tolist()[0] == 22 * 22

    grey = str(tmp_path / "grey.png")
    cv2.imwrite(grey, np.full((8, 9), 77, np.uint8))
    assert utils.read_image(grey, format="L").shape == (8, 9, 1)
    assert utils.read_image(grey, format="BGR")[0, 0].tolist() == [77, 77, 77]
    with pytest.raises(utils.SizeMismatchError):
        utils.check_image_size({"file_name": grey, "width": 8, "height": 9}, utils.read_image(grey))
