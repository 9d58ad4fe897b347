"""Annotations moved with their image, gathered into Instances, and the helpers around them."""

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import MetadataCatalog
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, BoxMode, PolygonMasks
from pycocotools import mask as coco_mask

SIZE = (8, 10)  # height, width
SQUARE = [2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]  # x 2..6, y 1..4
MASK = np.zeros(SIZE, np.uint8)
MASK[1:4, 2:6] = 1
COMPRESSED = coco_mask.encode(np.asfortranarray(MASK))
# Column by column: two empty columns and a pixel (17), 3 on, 5 off, ..., the rest.
UNCOMPRESSED = {"size": list(SIZE), "counts": [17, 3, 5, 3, 5, 3, 5, 3, 36]}
KINDS = {"polygon": [SQUARE], "rle": COMPRESSED, "counts": UNCOMPRESSED, "array": MASK, "bool": MASK.astype(bool)}


def _anno(segmentation=None, **more):
    anno = {"bbox": [2, 1, 4, 3], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 1, **more}
    return anno if segmentation is None else {**anno, "segmentation": segmentation}


def test_box_is_moved_and_cut_to_the_image():
    anno = utils.transform_instance_annotations(_anno(), T.TransformList([T.HFlipTransform(10)]), SIZE)
    assert anno["bbox"].tolist() == [4.0, 1.0, 8.0, 4.0]
    assert anno["bbox_mode"] == BoxMode.XYXY_ABS
    outside = _anno(bbox=[-3.0, -3.0, 100.0, 5.0], bbox_mode=BoxMode.XYXY_ABS)
    assert utils.transform_instance_annotations(outside, [], SIZE)["bbox"].tolist() == [0.0, 0.0, 10.0, 5.0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_segmentation_is_moved(kind):
    transforms = [T.HFlipTransform(10), T.ResizeTransform(8, 10, 16, 20)]  # a list is as good as a TransformList
    anno = utils.transform_instance_annotations(_anno(KINDS[kind]), transforms, (16, 20))
    instances = utils.annotations_to_instances([anno], (16, 20), "bitmask")
    assert instances.gt_masks.get_bounding_boxes().tensor.tolist() == [[8, 2, 16, 8]]
    assert instances.gt_boxes.tensor.tolist() == [[8, 2, 16, 8]]
    assert instances.gt_masks.tensor.dtype == torch.bool


def test_polygons_given_are_not_changed():
    polygon = np.array(SQUARE)
    utils.transform_instance_annotations(_anno([polygon]), [T.HFlipTransform(10)], SIZE)
    assert polygon.tolist() == SQUARE


def test_all_kinds_mixed_in_one_image_are_the_same_mask():
    annos = [_anno(s) for s in KINDS.values()]
    instances = utils.annotations_to_instances(annos, SIZE, "bitmask")
    assert isinstance(instances.gt_masks, BitMasks)
    assert (instances.gt_masks.tensor.numpy() == MASK).all()


def test_polygon_format():
    instances = utils.annotations_to_instances([_anno([SQUARE, SQUARE]), _anno([SQUARE], category_id=4)], SIZE)
    assert isinstance(instances.gt_masks, PolygonMasks)
    assert instances.gt_masks.area().tolist() == [24, 12]
    assert instances.gt_classes.tolist() == [1, 4] and instances.gt_classes.dtype == torch.int64
    assert instances.gt_boxes.tensor.dtype == torch.float32
    assert instances.image_size == SIZE


def test_no_annotations_and_no_masks():
    empty = utils.annotations_to_instances([], SIZE, "bitmask")
    assert len(empty) == 0
    assert empty.gt_boxes.tensor.shape == (0, 4) and empty.gt_classes.dtype == torch.int64
    assert not utils.annotations_to_instances([_anno()], SIZE).has("gt_masks")


@pytest.mark.parametrize(
    ("annos", "mask_format", "sentence"),
    [
        ([_anno([SQUARE]), _anno(COMPRESSED)], "polygon", "number 1 is a mask .* set INPUT.MASK_FORMAT to 'bitmask'"),
        ([_anno([SQUARE]), _anno()], "bitmask", "number 1 of 2 has no segmentation, while others"),
        ([_anno([SQUARE])], "masks", "must be 'polygon' or 'bitmask', but is 'masks'"),
        ([_anno("text")], "bitmask", "of type str is not supported: use a list of polygons"),
        ([_anno(np.zeros((8, 10, 3)))], "bitmask", r"array \(H, W\), but has shape \(8, 10, 3\)"),
        ([_anno(np.zeros((8, 9)))], "bitmask", "number 0 is a mask of height x width 8x9, but the image has 8x10"),
        ([{"category_id": 1}], "bitmask", "must have 'bbox' and 'bbox_mode', but has only"),
    ],
)
def test_annotations_that_do_not_fit_say_so(annos, mask_format, sentence):
    with pytest.raises(ValueError, match=sentence):
        utils.annotations_to_instances(annos, SIZE, mask_format)


def test_transforming_what_does_not_fit_says_so():
    with pytest.raises(ValueError, match="8x10 after the image's transforms, but the image has 9x10"):
        utils.transform_instance_annotations(_anno(MASK), [T.NoOpTransform()], (9, 10))
    with pytest.raises(ValueError, match="of type int is not supported"):
        utils.transform_instance_annotations(_anno(3), [], SIZE)
    with pytest.raises(NotImplementedError, match="has keypoints"):
        utils.transform_instance_annotations(_anno(keypoints=[1, 2, 2]), [], SIZE)


def test_a_crop_that_leaves_nothing_is_filtered():
    crop = T.CropTransform(0, 0, 4, 8)
    left, right = _anno([SQUARE]), _anno([[7, 0, 9, 0, 9, 5]], bbox=[7, 0, 2, 5])
    annos = [utils.transform_instance_annotations(a, crop, (8, 4)) for a in (left, right)]
    assert annos[1]["segmentation"] == []
    for mask_format in ("polygon", "bitmask"):
        instances = utils.annotations_to_instances(annos, (8, 4), mask_format)
        kept, which = utils.filter_empty_instances(instances, return_mask=True)
        assert which.tolist() == [True, False]
        assert kept.gt_masks.get_bounding_boxes().tensor.tolist() == [[2, 1, 4, 4]]


def test_filter_by_box_by_mask_or_both():
    thin = _anno([SQUARE], bbox=[2, 1, 0, 3])
    no_mask = _anno(np.zeros(SIZE, np.uint8))
    instances = utils.annotations_to_instances([_anno([SQUARE]), thin, no_mask], SIZE, "bitmask")
    assert len(utils.filter_empty_instances(instances)) == 1
    assert len(utils.filter_empty_instances(instances, by_mask=False)) == 2
    assert len(utils.filter_empty_instances(instances, by_box=False)) == 2
    assert len(utils.filter_empty_instances(instances, box_threshold=4.0)) == 0
    assert len(utils.filter_empty_instances(utils.annotations_to_instances([], SIZE))) == 0
    with pytest.raises(ValueError, match="both are off"):
        utils.filter_empty_instances(instances, by_box=False, by_mask=False)


def test_proposals_are_moved_filtered_and_cut():
    record = {
        "proposal_boxes": np.array([[0.0, 0.0, 5.0, 5.0], [2, 2, 2, 4], [4, 4, 30, 30], [1, 1, 2, 2]]),
        "proposal_bbox_mode": BoxMode.XYXY_ABS,
        "proposal_objectness_logits": np.array([3.0, 2.0, 1.0, 0.0]),
    }
    utils.transform_proposals(record, SIZE, T.HFlipTransform(10), proposal_topk=2)
    assert set(record) == {"proposals"}
    assert record["proposals"].proposal_boxes.tensor.tolist() == [[5, 0, 10, 5], [0, 4, 6, 8]]
    assert record["proposals"].objectness_logits.tolist() == [3, 1]
    without = {}
    utils.transform_proposals(without, SIZE, T.NoOpTransform(), proposal_topk=2)
    assert without == {}


def _input_cfg(**keys):
    cfg = get_cfg()
    cfg.INPUT.update(keys)
    return cfg


def test_augmentations_of_the_config():
    cfg = _input_cfg(MIN_SIZE_TRAIN=(30, 40), MAX_SIZE_TRAIN=90, MIN_SIZE_TEST=50, MAX_SIZE_TEST=60)
    resize, flip = utils.build_augmentation(cfg, True)
    assert (resize.short_edge_length, resize.max_size, resize.is_range) == ((30, 40), 90, False)
    assert flip.prob == 0.5 and flip.horizontal and not flip.vertical
    (resize,) = utils.build_augmentation(cfg, False)
    assert (resize.short_edge_length, resize.max_size) == ((50, 50), 60)
    assert utils.build_transform_gen is utils.build_augmentation


def test_flips_of_the_config():
    assert len(utils.build_augmentation(_input_cfg(RANDOM_FLIP="none"), True)) == 1
    assert utils.build_augmentation(_input_cfg(RANDOM_FLIP="vertical"), True)[1].vertical
    ranged = _input_cfg(MIN_SIZE_TRAIN=(3, 4), MIN_SIZE_TRAIN_SAMPLING="range")
    assert utils.build_augmentation(ranged, True)[0].is_range
    with pytest.raises(ValueError, match="INPUT.RANDOM_FLIP must be .* but is 'both'"):
        utils.build_augmentation(_input_cfg(RANDOM_FLIP="both"), True)


def test_crop_around_an_object_holds_its_centre():
    np.random.seed(0)
    anno = {"bbox": [60, 5, 20, 10], "bbox_mode": BoxMode.XYWH_ABS}  # centre x 70, y 10
    places = set()
    for _ in range(200):
        crop = utils.gen_crop_transform_with_instance((20, 30), (50, 100), anno)
        assert crop.x0 <= 70 <= crop.x0 + 30 and crop.y0 <= 10 <= crop.y0 + 20
        assert crop.x0 >= 0 and crop.x0 + 30 <= 100 and crop.y0 >= 0 and crop.y0 + 20 <= 50
        places.add(crop.x0)
    assert min(places) == 40 and max(places) == 70
    with pytest.raises(ValueError, match="does not fit"):
        utils.gen_crop_transform_with_instance((60, 30), (50, 100), anno)
    with pytest.raises(ValueError, match="centre outside"):
        utils.gen_crop_transform_with_instance((5, 5), (50, 60), anno)


def test_metadata_must_agree():
    names = ["consistent_a", "consistent_b"]
    try:
        for name in names:
            MetadataCatalog.get(name).thing_classes = ["x"]
        utils.check_metadata_consistency("thing_classes", names)
        utils.check_metadata_consistency("thing_classes", [])
        MetadataCatalog.get(names[0]).other = 1
        MetadataCatalog.get(names[1]).other = 2
        with pytest.raises(ValueError, match="same 'other', but 'consistent_a' has 1 and 'consistent_b' has 2"):
            utils.check_metadata_consistency("other", names)
    finally:
        for name in names:
            MetadataCatalog.pop(name, None)


def test_federated_loss_weights():
    counts = [{"id": 2, "image_count": 9}, {"id": 1, "image_count": 4}]
    MetadataCatalog.get("fed_loss_test").class_image_count = counts
    try:
        assert utils.get_fed_loss_cls_weights("fed_loss_test", 0.5).tolist() == [2, 3]
        assert utils.get_fed_loss_cls_weights(["fed_loss_test"]).tolist() == [4, 9]
    finally:
        MetadataCatalog.remove("fed_loss_test")


def test_left_out_names_say_so():
    with pytest.raises(ImportError, match="leaves out keypoints"):
        _ = utils.transform_keypoint_annotations
