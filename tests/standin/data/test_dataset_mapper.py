"""From a record to the model's input."""

import copy
import json

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetMapper
from detectron2.data import transforms as T
from detectron2.data.datasets import load_coco_json
from detectron2.structures import BitMasks, BoxMode
from PIL import Image
from pycocotools import mask as coco_mask


@pytest.fixture
def record(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    def anno(x, y, **more):
        square = [x, y, x + 6.0, y, x + 6.0, y + 6.0, x, y + 6.0]
        fields = {"bbox": [x, y, 6, 6], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 1, "segmentation": [square]}
        return {**fields, **more}

    return {
        "file_name": str(tmp_path / "a.png"),
        "height": 20,
        "width": 30,
        "image_id": 9,
        "annotations": [anno(2, 3), anno(20, 10, category_id=0, iscrowd=0), anno(5, 5, iscrowd=1)],
    }


def _mapper(*augmentations, is_train=True, **more):
    more = {"image_format": "BGR", "use_instance_mask": True, **more}
    return DatasetMapper(is_train, augmentations=list(augmentations), **more)


def test_training_input_by_hand(record):
    before = copy.deepcopy(record)
    out = _mapper(T.RandomFlip(prob=1.0), T.Resize((40, 60)))(record)
    assert record == before
    assert out["image"].shape == (3, 40, 60) and out["image"].dtype == torch.uint8
    assert out["image"].is_contiguous()
    assert (out["height"], out["width"], out["image_id"]) == (20, 30, 9)  # of the file, not of the tensor
    assert "annotations" not in out
    instances = out["instances"]
    assert instances.image_size == (40, 60)
    # x 2..8 flipped in 30 is 22..28, doubled 44..56; the crowd region is left out.
    assert instances.gt_boxes.tensor.tolist() == [[44, 6, 56, 18], [8, 20, 20, 32]]
    assert instances.gt_classes.tolist() == [1, 0]
    assert instances.gt_masks.area().tolist() == [144, 144]


def test_pixels_are_those_of_the_file(record):
    out = _mapper()(record)["image"]
    assert (out.numpy() == np.asarray(Image.open(record["file_name"])).transpose(2, 0, 1)[::-1]).all()


def test_inference_input_has_no_annotations(record):
    out = _mapper(T.Resize(10), is_train=False)(record)
    assert set(out) == {"file_name", "height", "width", "image_id", "image"}


def test_without_masks(record):
    instances = _mapper(use_instance_mask=False)(record)["instances"]
    assert len(instances) == 2 and not instances.has("gt_masks")


def test_keypoints_are_left_out(record):
    record["annotations"][0]["keypoints"] = [1, 2, 2]
    assert len(_mapper()(record)["instances"]) == 2
    with pytest.raises(NotImplementedError, match="asked for keypoints"):
        _mapper(use_keypoint=True)


def test_recomputed_boxes_are_those_of_the_masks(record):
    record["annotations"][0]["segmentation"] = [[2, 3, 8, 3, 2, 9]]  # a triangle, cut to x 6..8 by the crop
    mapper = _mapper(T.CropTransform(6, 0, 24, 20), recompute_boxes=True)
    assert mapper(record)["instances"].gt_boxes.tensor[0].tolist() == [0, 3, 2, 5]
    assert _mapper(T.CropTransform(6, 0, 24, 20))(record)["instances"].gt_boxes.tensor[0].tolist() == [0, 3, 2, 9]
    record["annotations"] = []
    assert len(mapper(record)["instances"]) == 0
    with pytest.raises(ValueError, match="needs use_instance_mask=True"):
        _mapper(use_instance_mask=False, recompute_boxes=True)


def test_semantic_segmentation_moves_along(record, tmp_path):
    Image.fromarray(np.tile(np.arange(30, dtype=np.uint8), (20, 1))).save(tmp_path / "seg.png")
    out = _mapper(T.RandomFlip(prob=1.0))({**record, "sem_seg_file_name": str(tmp_path / "seg.png")})
    assert out["sem_seg"].dtype == torch.int64
    assert out["sem_seg"][7].tolist() == list(range(29, -1, -1))


def test_errors_name_the_image(record):
    record["annotations"][1]["segmentation"] = {"size": [20, 30], "counts": [600]}
    with pytest.raises(ValueError, match=r"a.png \(image id 9\): .* set INPUT.MASK_FORMAT to 'bitmask'"):
        _mapper()(record)
    record["height"] = 21
    with pytest.raises(ValueError, match=r"a.png \(image id 9\) has height x width 20x30, but its record states 21x30"):
        _mapper()(record)
    record["file_name"] += ".absent"
    with pytest.raises(FileNotFoundError, match=r"a.png.absent does not exist"):
        _mapper()(record)


def _cfg(**keys):
    cfg = get_cfg()
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (40,), 100
    cfg.merge_from_list([x for pair in keys.items() for x in (pair[0].replace("__", "."), pair[1])])
    return cfg


def test_from_config(record):
    mapper = DatasetMapper(_cfg(INPUT__MASK_FORMAT="bitmask"))
    assert mapper.is_train and not mapper.recompute_boxes
    out = mapper(record)
    assert out["image"].shape == (3, 40, 60)
    assert isinstance(out["instances"].gt_masks, BitMasks)
    assert DatasetMapper(_cfg(), is_train=False).is_train is False
    assert DatasetMapper(_cfg(), True, augmentations=[T.Resize(7)])(record)["image"].shape == (3, 7, 7)


def test_crop_of_the_config_comes_first_and_tightens_boxes():
    mapper = DatasetMapper(_cfg(INPUT__CROP__ENABLED=True, INPUT__CROP__SIZE=[0.5, 0.5]))
    assert isinstance(mapper.augmentations.augs[0], T.RandomCrop)
    assert mapper.recompute_boxes
    inference = DatasetMapper(_cfg(INPUT__CROP__ENABLED=True), is_train=False)
    assert len(inference.augmentations.augs) == 1 and not inference.recompute_boxes


def test_config_outside_the_scope_is_refused():
    with pytest.raises(ValueError, match="MODEL.KEYPOINT_ON"):
        DatasetMapper(_cfg(MODEL__KEYPOINT_ON=True))
    with pytest.raises(ValueError, match="INPUT.MASK_FORMAT must be .* but is 'png'"):
        DatasetMapper(_cfg(INPUT__MASK_FORMAT="png"))


def test_subclasses_may_replace_the_annotation_step(record):
    class Counting(DatasetMapper):
        def _transform_annotations(self, dataset_dict, transforms, image_shape):
            dataset_dict["seen"] = (len(dataset_dict["annotations"]), len(transforms), image_shape)

    out = Counting(True, augmentations=[T.Resize((8, 9))], image_format="RGB")(record)
    assert out["seen"] == (3, 1, (8, 9))


@pytest.fixture
def microscopy(tmp_path):
    """
    A small set as microscopes give: many round objects, every other one as a polygon, the rest as run
        lengths.
    """
    rng = np.random.default_rng(4)
    images, annotations, truth = [], [], {}
    yy, xx = np.mgrid[:64, :64] + 0.5
    for image_id in range(3):
        picture = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        for k in range(8):
            cx, cy, radius = 8 + 16 * (k % 4), 16 + 32 * (k // 4), rng.uniform(4, 7)
            mask = (xx - cx) ** 2 + (yy - cy) ** 2 < radius**2
            picture[mask] = 200
            angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            outline = np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], 1).reshape(-1).tolist()
            runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            segmentation = [outline] if k % 2 else {"size": [64, 64], "counts": runs["counts"].decode()}
            anno_id = len(annotations) + 1
            truth[anno_id] = mask
            annotations.append(
                {
                    "id": anno_id,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": coco_mask.toBbox(runs).tolist(),
                    "area": int(mask.sum()),
                    "segmentation": segmentation,
                }
            )
        Image.fromarray(picture).save(tmp_path / f"{image_id}.png")
        images.append({"id": image_id, "file_name": f"{image_id}.png", "height": 64, "width": 64})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "nucleus"}]}
    (tmp_path / "gt.json").write_text(json.dumps(content))
    return load_coco_json(str(tmp_path / "gt.json"), str(tmp_path)), truth


def test_mixed_polygons_and_run_lengths_lie_on_their_objects(microscopy):
    records, truth = microscopy
    augmentations = [T.RandomCrop("absolute", (48, 48)), T.ResizeShortestEdge((96, 120)), T.RandomFlip()]
    mapper = _mapper(*augmentations, instance_mask_format="bitmask", recompute_boxes=True)
    np.random.seed(0)
    seen = 0
    for record in records * 4:
        out = mapper(record)
        instances, image = out["instances"], out["image"].numpy().mean(0)
        masks = instances.gt_masks.tensor.numpy()
        assert masks.shape[1:] == image.shape
        seen += len(masks)
        # Drawn bright, so the masks must cover what is bright after the augmentations, and nothing else.
        bright, covered = image > 130, masks.any(0)
        assert (bright & covered).sum() / (bright | covered).sum() > 0.93
        boxes = instances.gt_boxes.tensor
        assert torch.equal(boxes, instances.gt_masks.get_bounding_boxes().tensor)
    assert seen > 40
    plain = _mapper(instance_mask_format="bitmask")(records[0])["instances"].gt_masks.tensor.numpy()
    for got, expected in zip(plain, (truth[i] for i in range(1, 9)), strict=True):
        assert (got & expected).sum() / (got | expected).sum() > 0.9
