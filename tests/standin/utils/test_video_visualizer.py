"""A square of 20 pixels walks over grey frames; its colour in the middle says which track it belongs to."""

import numpy as np
import pytest
import torch
from detectron2.data import Metadata
from detectron2.structures import Boxes, Instances
from detectron2.utils import video_visualizer
from detectron2.utils.video_visualizer import VideoVisualizer, _outline, iou
from detectron2.utils.visualizer import ColorMode

SIZE = (120, 200)
FRAME = np.full((*SIZE, 3), 100, np.uint8)


def squares(*corners, classes=None, masks=True, **fields):
    instances = Instances(SIZE, **fields)
    boxes = torch.tensor([[x, y, x + 40, y + 40] for x, y in corners], dtype=torch.float32).reshape(-1, 4)
    instances.pred_boxes = Boxes(boxes)
    instances.pred_classes = torch.tensor(classes or [0] * len(corners), dtype=torch.int64)
    if masks:
        bits = torch.zeros(len(corners), *SIZE, dtype=torch.bool)
        for bit, (x, y) in zip(bits, corners, strict=True):
            bit[y : y + 40, x : x + 40] = True
        instances.pred_masks = bits
    return instances


def colors_at(image, *points):
    return [tuple(image.get_image()[y, x]) for x, y in points]


@pytest.fixture
def video():
    return VideoVisualizer(Metadata(name="video"))


def test_a_colour_follows_its_object_whatever_the_order(video):
    # The square's lower right part is free of the label.
    first = video.draw_instance_predictions(FRAME, squares((10, 10), (120, 60)))
    left, right = colors_at(first, (45, 45), (155, 95))
    assert left != right
    second = video.draw_instance_predictions(FRAME, squares((122, 62), (14, 12)))
    assert colors_at(second, (45, 45), (155, 95)) == [left, right]


def test_boxes_alone_are_followed_too(video):
    colors = []
    for corners in ([(10, 10), (120, 60)], [(122, 62), (14, 12)]):
        visual = video.draw_instance_predictions(FRAME, squares(*corners, masks=False))
        colors.append(visual.get_image())
    tracks = sorted((t.outline.box[0], t.color) for t in video._tracks)
    assert tracks == [(14.0, 0), (122.0, 1)]
    assert (colors[0] != FRAME).any()


def test_another_class_is_another_object(video):
    first = video.draw_instance_predictions(FRAME, squares((10, 10), classes=[0]))
    second = video.draw_instance_predictions(FRAME, squares((10, 10), classes=[1]))
    assert colors_at(first, (45, 45)) != colors_at(second, (45, 45))


@pytest.mark.parametrize("pause, kept", [(3, True), (video_visualizer.FRAMES_REMEMBERED + 1, False)])
def test_an_object_may_vanish_for_a_while(video, pause, kept):
    video.draw_instance_predictions(FRAME, squares((10, 10)))
    for _ in range(pause):
        video.draw_instance_predictions(FRAME, squares())
    assert len(video._tracks) == int(kept)


def test_new_objects_take_colours_not_in_use(video):
    video.draw_instance_predictions(FRAME, squares((10, 10)))
    video.draw_instance_predictions(FRAME, squares((10, 10), (120, 60), (60, 70)))
    assert sorted(track.color for track in video._tracks) == [0, 1, 2]


def test_identities_and_colours_that_are_given_decide(video):
    first = video.draw_instance_predictions(FRAME, squares((10, 10), (120, 60), ID=[7, 9]))
    second = video.draw_instance_predictions(FRAME, squares((120, 60), (10, 10), ID=[7, 9]))
    assert colors_at(first, (45, 45), (155, 95)) == colors_at(second, (155, 95), (45, 45))
    painted = video.draw_instance_predictions(FRAME, squares((10, 10), COLOR=[(1.0, 0.0, 0.0)]))
    assert colors_at(painted, (45, 45)) == [(178, 50, 50)]


def test_modes():
    data = Metadata(name="video", thing_colors=[(255, 0, 0)])
    by_class = VideoVisualizer(data, ColorMode.SEGMENTATION)
    assert colors_at(by_class.draw_instance_predictions(FRAME, squares((10, 10))), (45, 45)) == [(178, 50, 50)]
    frame = FRAME.copy()
    frame[..., 0] = 190
    bw = VideoVisualizer(data, ColorMode.IMAGE_BW)
    assert colors_at(bw.draw_instance_predictions(frame, squares((10, 10))), (150, 100)) == [(130, 130, 130)]
    assert colors_at(bw.draw_instance_predictions(frame, squares()), (45, 45)) == [(130, 130, 130)]


@pytest.mark.parametrize(
    "second, masks, overlap, reason",
    [
        ((10, 10), True, 1.0, "the same"),
        ((30, 10), True, 1 / 3, "shifted by half: 800 of 2,400"),
        ((30, 30), False, 1 / 7, "a quarter in common: 400 of 2,800"),
        ((60, 60), True, 0.0, "apart"),
        ((60, 60), False, 0.0, "apart"),
    ],
)
def test_overlap(second, masks, overlap, reason):
    def outline(corner):
        instances = squares(corner)
        mask = instances.pred_masks[0].numpy().astype(np.uint8) if masks else None
        return _outline(instances.pred_boxes.tensor[0].numpy(), mask)

    assert iou(outline((10, 10)), outline(second)) == pytest.approx(overlap), reason


def test_maps():
    data = Metadata(name="video", stuff_classes=["sky"], stuff_colors=[(0, 0, 255)], thing_classes=["cat"])
    video = VideoVisualizer(data)
    ids = np.zeros(SIZE, int)
    assert colors_at(video.draw_sem_seg(FRAME, torch.from_numpy(ids)), (20, 20)) == [(20, 20, 224)]
    ids[10:50, 10:50] = 1
    segments = [{"id": 0, "category_id": 0, "isthing": False}, {"id": 1, "category_id": 0, "isthing": True}]
    first = video.draw_panoptic_seg_predictions(FRAME, torch.from_numpy(ids), segments)
    second = video.draw_panoptic_seg_predictions(FRAME, torch.from_numpy(ids), segments)
    assert colors_at(first, (45, 45), (150, 100)) == colors_at(second, (45, 45), (150, 100))
    nothing = video.draw_panoptic_seg_predictions(FRAME, torch.zeros(SIZE, dtype=torch.int64), segments)
    assert colors_at(nothing, (45, 45)) == colors_at(nothing, (150, 100))
