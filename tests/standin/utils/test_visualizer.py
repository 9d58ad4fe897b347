"""Pictures are small and plain, so that pixels can be told: grey 100 under red at half opacity is (178, 50, 50)."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectron2.data import Metadata
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances, PolygonMasks
from detectron2.utils import _colors
from detectron2.utils._text_drawing import LabelLayout, render_text
from detectron2.utils.visualizer import ColorMode, GenericMask, VisImage, Visualizer, _create_text_labels
from PIL import Image
from pycocotools import mask as mask_util

RED = (1.0, 0.0, 0.0)


def grey(height=80, width=120, value=100):
    return np.full((height, width, 3), value, np.uint8)


def block(y0, y1, x0, x1, height=80, width=120):
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def metadata(**values):
    return Metadata(name="drawn", **values)


def find_changes(output, before):
    """Bool (H, W): where the picture differs from what it was."""
    return (output.get_image() != before).any(axis=2)


def instances(masks, **fields):
    height, width = masks[0].shape
    boxes = [GenericMask(m, height, width).bbox() for m in masks]
    return Instances(
        (height, width),
        pred_boxes=Boxes(torch.tensor(np.array(boxes), dtype=torch.float32)),
        pred_masks=torch.from_numpy(np.stack(masks).astype(bool)),
        pred_classes=torch.arange(len(masks)),
        scores=torch.linspace(0.9, 0.5, len(masks)),
        **fields,
    )


class TestVisImage:
    def test_scale_enlarges_the_output_only(self):
        image = VisImage(grey(10, 20), scale=2.5)
        assert (image.height, image.width, image.scale) == (10, 20, 2.5)
        assert image.get_image().shape == (25, 50, 3) and image.get_image().dtype == np.uint8
        assert (image.get_image() == 100).all()

    def test_the_picture_given_is_not_drawn_upon(self):
        picture = grey()
        visualizer = Visualizer(picture)
        got = visualizer.get_output().get_image()
        visualizer.draw_box((10, 10, 50, 50), alpha=1)
        assert (picture == 100).all() and (got == 100).all()
        assert find_changes(visualizer.output, picture).any()

    def test_reset_starts_anew(self):
        image = VisImage(grey())
        image.reset_image(grey(value=7))
        assert (image.get_image() == 7).all()

    @pytest.mark.parametrize("name", ["a.png", "b.JPG"])
    def test_saved_colours_come_back_as_rgb(self, tmp_path, name):
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[..., 0] = 200
        VisImage(picture).save(tmp_path / name)
        red, green, blue = np.asarray(Image.open(tmp_path / name).convert("RGB"))[8, 8].astype(int)
        assert abs(red - 200) <= 2 and green <= 2 and blue <= 2
        assert [f.name for f in tmp_path.iterdir()] == [name]

    def test_an_unknown_kind_of_file_is_named(self, tmp_path):
        with pytest.raises(ValueError, match="must end in .png"):
            VisImage(grey()).save(str(tmp_path / "x.picture"))
        assert not list(tmp_path.iterdir())


class TestGenericMask:
    def test_all_ways_in_give_the_same_mask(self):
        mask = block(10, 30, 20, 50)
        rle = mask_util.encode(np.asfortranarray(mask))
        plain = {"size": [80, 120], "counts": [20 * 80 + 10, *([20, 60] * 29), 20, 70 * 80 + 50]}
        polygons = [[20, 10, 50, 10, 50, 30, 20, 30]]
        for given in (
            mask,
            mask.astype(bool),
            rle,
            plain,
            polygons,
            [np.array(polygons[0])],
            GenericMask(mask, 80, 120),
        ):
            generic = GenericMask(given, 80, 120)
            np.testing.assert_array_equal(generic.mask, mask)
            assert generic.area() == 600 and not generic.has_holes
            np.testing.assert_allclose(generic.bbox(), [20, 10, 50, 30])

    def test_outlines_run_through_the_centres_of_border_pixels(self):
        (polygon,) = GenericMask(block(10, 13, 20, 24), 80, 120).polygons
        points = polygon.reshape(-1, 2)
        np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[20.5, 10.5], [23.5, 12.5]])

    def test_holes_are_seen(self):
        mask = block(10, 40, 20, 60)
        mask[20:30, 30:50] = 0
        generic = GenericMask(mask, 80, 120)
        assert generic.has_holes and len(generic.polygons) == 2
        polygons, has_holes = generic.mask_to_polygons(block(0, 5, 0, 5) + block(20, 25, 0, 5))
        assert len(polygons) == 2 and not has_holes

    def test_nothing(self):
        for given in (np.zeros((80, 120), bool), [], [[]]):
            generic = GenericMask(given, 80, 120)
            assert generic.area() == 0 and list(generic.bbox()) == [0, 0, 0, 0]
        assert GenericMask(np.zeros((80, 120)), 80, 120).polygons == []

    def test_a_mask_of_another_size_is_refused(self):
        with pytest.raises(ValueError, match=r"\(80, 120\).*shape is \(9, 9\)"):
            GenericMask(np.zeros((9, 9)), 80, 120)
        with pytest.raises(ValueError, match=r"run-length code is of size \[9, 9\]"):
            GenericMask(mask_util.encode(np.zeros((9, 9), np.uint8, order="F")), 80, 120)


class TestPrimitives:
    @pytest.mark.parametrize("alpha, pixel", [(1.0, (255, 0, 0)), (0.5, (178, 50, 50))])
    def test_box_is_a_crisp_frame(self, alpha, pixel):
        output = Visualizer(grey()).draw_box((10, 20, 40, 60), alpha=alpha, edge_color="r")
        frame = find_changes(output, grey())
        rows, columns = np.nonzero(frame)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 59, 10, 39)
        assert frame.sum() == 2 * 30 + 2 * 38
        np.testing.assert_allclose(output.get_image()[20, 25], pixel, atol=1)

    def test_dashes_leave_gaps(self):
        solid = find_changes(Visualizer(grey()).draw_box((10, 20, 40, 60), alpha=1), grey()).sum()
        dashed = find_changes(Visualizer(grey()).draw_box((10, 20, 40, 60), alpha=1, line_style="--"), grey()).sum()
        assert 0.4 * solid < dashed < 0.8 * solid
        with pytest.raises(ValueError, match="line style"):
            Visualizer(grey()).draw_box((10, 20, 40, 60), line_style="~")

    @pytest.mark.parametrize("alpha, pixel", [(1.0, (255, 0, 0)), (0.5, (178, 50, 50)), (0.0, (100, 100, 100))])
    def test_a_mask_is_filled_at_its_opacity(self, alpha, pixel):
        output = Visualizer(grey()).draw_binary_mask(block(10, 40, 20, 60), RED, alpha=alpha)
        np.testing.assert_allclose(output.get_image()[25, 40], pixel, atol=1)
        np.testing.assert_array_equal(output.get_image()[25, 40], np.rint(np.array(pixel)).astype(int))

    def test_an_outline_stands_out_and_holes_stay_open(self):
        mask = block(10, 60, 20, 80)
        mask[25:45, 40:60] = 0
        image = Visualizer(grey()).draw_binary_mask(mask, RED, edge_color="b").get_image()
        assert tuple(image[35, 50]) == (100, 100, 100)
        assert image[10, 50, 2] > 200 and image[24, 50, 2] > 200  # outer edge, and the edge of the hole
        assert not find_changes(SimpleNamespace(get_image=lambda: image), grey())[:9].any()

    def test_small_parts_are_left_out(self):
        mask = block(10, 30, 20, 50) + block(60, 62, 100, 102)
        image = Visualizer(grey()).draw_binary_mask(mask, RED, area_threshold=10).get_image()
        assert (image[55:70, 95:110] == 100).all() and (image[20, 30] != 100).any()
        assert not find_changes(Visualizer(grey()).draw_binary_mask(np.zeros((80, 120)), RED), grey()).any()

    def test_a_polygon_covers_what_it_encloses(self):
        square = np.array([[20, 10], [60, 10], [60, 40], [20, 40]], float)
        covered = find_changes(Visualizer(grey()).draw_polygon(square, RED), grey())
        assert covered[12:38, 22:58].all() and not covered[:8].any() and not covered[:, 63:].any()

    def test_a_soft_mask_fades(self):
        soft = np.tile(np.linspace(0, 1, 120), (80, 1))
        row = Visualizer(grey()).draw_soft_mask(soft, RED, alpha=1.0).get_image()[40, :, 0].astype(int)
        assert row[0] == 100 and row[-1] == 255 and (np.diff(row) >= 0).all()

    def test_a_line_and_a_circle_lie_where_they_are_told(self):
        image = Visualizer(grey()).draw_line([10, 100], [40, 40], RED, linewidth=3).get_image()
        assert tuple(image[39, 50]) == (255, 0, 0) and (image[45] == 100).all()
        circle = Visualizer(grey()).draw_circle((60, 40), RED, radius=10).get_image()
        area = ((circle[:, :, 0].astype(float) - 100) / 155).sum()
        assert area == pytest.approx(np.pi * 100, rel=0.05) and tuple(circle[40, 60]) == (255, 0, 0)

    def test_scale_keeps_image_coordinates(self):
        image = Visualizer(grey(), scale=2).draw_binary_mask(block(10, 40, 20, 60), RED, alpha=1).get_image()
        red = (image == (255, 0, 0)).all(axis=2)
        assert red[22:78, 42:118].all() and not red[:18].any() and not red[:, 123:].any()

    @pytest.mark.parametrize("position", [(-50, -50), (60, 40), (500, 500)])
    @pytest.mark.parametrize("alignment", ["left", "center", "right"])
    def test_text_stays_inside_and_readable(self, position, alignment):
        output = Visualizer(grey(value=250)).draw_text("cat 98%", position, horizontal_alignment=alignment, color="b")
        covered = find_changes(output, grey(value=250))
        plate, _ = render_text("cat 98%", 11)
        # Cut off text would cover less than the whole plate (whose corners are round).
        assert covered.sum() == pytest.approx(plate.size, rel=0.05)
        assert output.get_image()[covered].min() < 90  # the plate is dark

    def test_text_wants_an_alignment_it_knows(self):
        with pytest.raises(ValueError, match="'middle'"):
            Visualizer(grey()).draw_text("x", (5, 5), horizontal_alignment="middle")

    @pytest.mark.parametrize("shape", [(80, 120), (80, 120, 1)])
    def test_grey_pictures_become_rgb(self, shape):
        assert Visualizer(np.full(shape, 300.0)).output.get_image().tolist()[0][0] == [255, 255, 255]
        with pytest.raises(ValueError, match=r"\(80, 120, 4\)"):
            Visualizer(np.zeros((80, 120, 4)))

    @pytest.mark.parametrize("side, font", [(64, 8), (256, 11), (1000, 20), (4000, 80)])
    def test_text_grows_with_the_picture(self, side, font):
        assert Visualizer(grey(side, side))._default_font_size == pytest.approx(font)
        assert Visualizer(grey(side, side), font_size_scale=2)._default_font_size == pytest.approx(2 * font)

    def test_a_picture_smaller_than_its_text(self):
        output = Visualizer(grey(6, 6)).draw_text("long label", (3, 3))
        assert output.get_image().shape == (6, 6, 3) and find_changes(output, grey(6, 6)).any()


class TestInstances:
    def test_masks_may_come_in_any_form(self):
        masks = [block(10, 30, 20, 50), block(40, 70, 60, 110)]
        polygons = [[np.array([20, 10, 50, 10, 50, 30, 20, 30.0])], [np.array([60, 40, 110, 40, 110, 70, 60, 70.0])]]
        pictures = [
            Visualizer(grey()).overlay_instances(masks=form, assigned_colors=["r", "b"]).get_image()
            for form in (
                masks,
                np.stack(masks),
                torch.from_numpy(np.stack(masks)),
                BitMasks(torch.from_numpy(np.stack(masks)).bool()),
            )
        ]
        for picture in pictures[1:]:
            np.testing.assert_array_equal(picture, pictures[0])
        drawn = Visualizer(grey()).overlay_instances(masks=PolygonMasks(polygons), assigned_colors=["r", "b"])
        # Only edges differ: the polygon's runs around the outer pixels, the bitmap's through their centres.
        inner = block(13, 27, 23, 47) + block(43, 67, 63, 107)
        assert not find_changes(drawn, pictures[0])[inner > 0].any()
        assert find_changes(drawn, pictures[0]).mean() < 0.06

    def test_parts_of_one_instance_unite(self):
        overlapping = [[20, 10, 60, 10, 60, 40, 20, 40], [40, 10, 80, 10, 80, 40, 40, 40]]
        image = Visualizer(grey()).overlay_instances(masks=[overlapping], assigned_colors=["r"]).get_image()
        assert (image[15:35, 25:75] == (178, 50, 50)).all()

    def test_small_instances_lie_on_top(self):
        small, large = block(30, 40, 40, 60), block(10, 60, 20, 100)
        for order in ([small, large], [large, small]):
            colors = ["b" if m is small else "r" for m in order]
            image = Visualizer(grey()).overlay_instances(masks=order, assigned_colors=colors, alpha=1.0).get_image()
            assert tuple(image[35, 50]) == (0, 0, 255)

    def test_nothing_draws_nothing(self):
        empty = Instances(
            (80, 120),
            pred_boxes=Boxes(torch.zeros(0, 4)),
            pred_masks=torch.zeros(0, 80, 120, dtype=torch.bool),
            pred_classes=torch.zeros(0, dtype=torch.int64),
            scores=torch.zeros(0),
        )
        assert not find_changes(Visualizer(grey()).draw_instance_predictions(empty), grey()).any()
        assert not find_changes(Visualizer(grey()).overlay_instances(labels=["a"]), grey()).any()
        assert not find_changes(Visualizer(grey()).draw_dataset_dict({"annotations": []}), grey()).any()
        vanished = Visualizer(grey()).overlay_instances(masks=[np.zeros((80, 120))], labels=[""])
        assert not find_changes(vanished, grey()).any()

    def test_unequal_lengths_are_told(self):
        with pytest.raises(ValueError, match="'boxes': 1, 'labels': 2"):
            Visualizer(grey()).overlay_instances(boxes=np.array([[1, 2, 30, 40]]), labels=["a", "b"])

    def test_colours_by_class(self):
        data = metadata(thing_classes=["cat", "dog"], thing_colors=[(255, 0, 0), (0, 0, 255)])
        predictions = instances([block(10, 35, 10, 50), block(40, 75, 60, 110)])
        visualizer = Visualizer(grey(), data, instance_mode=ColorMode.SEGMENTATION)
        image = visualizer.draw_instance_predictions(predictions, jittering=False).get_image().astype(int)
        assert image[30, 30, 0] > image[30, 30, 2] + 50 and image[60, 80, 2] > image[60, 80, 0] + 50
        again = [
            Visualizer(grey(), data, instance_mode=ColorMode.SEGMENTATION).draw_instance_predictions(predictions)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(again[0].get_image(), again[1].get_image())
        assert (again[0].get_image() != image).any()

    def test_drawing_leaves_the_global_random_numbers_alone(self):
        np.random.seed(0)
        before = np.random.get_state()[1].copy()
        data = metadata(thing_colors=[(255, 0, 0), (0, 0, 255)])
        predictions = instances([block(10, 35, 10, 50), block(40, 75, 60, 110)])
        Visualizer(grey(), data, instance_mode=ColorMode.SEGMENTATION).draw_instance_predictions(predictions)
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    def test_bw_turns_the_rest_grey(self):
        picture = np.zeros((80, 120, 3), np.uint8)
        picture[..., 0] = 90
        predictions = instances([block(10, 70, 10, 60)])
        predictions.remove("pred_boxes")
        predictions.remove("pred_classes")
        predictions.remove("scores")
        image = Visualizer(picture, instance_mode=ColorMode.IMAGE_BW).draw_instance_predictions(predictions).get_image()
        assert tuple(image[75, 100]) == (30, 30, 30)
        assert image[40, 30, 0] > image[40, 30, 1]

    @pytest.mark.parametrize("mode", list(ColorMode))
    def test_dataset_dict_with_mixed_annotations(self, mode):
        rle = mask_util.encode(np.asfortranarray(block(40, 70, 60, 110)))
        annotations = [
            {
                "bbox": [10, 10, 30, 20],
                "bbox_mode": BoxMode.XYWH_ABS,
                "category_id": 0,
                "segmentation": [[10, 10, 40, 10, 40, 30]],
            },
            {
                "bbox": [60, 40, 110, 70],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": 1,
                "segmentation": rle,
                "iscrowd": 1,
            },
            {"bbox": [80, 5, 20, 20], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 1},
        ]
        data = metadata(thing_classes=["cat", "dog"], thing_colors=[(255, 0, 0), (0, 0, 255)])
        output = Visualizer(grey(), data, instance_mode=mode).draw_dataset_dict({"annotations": annotations})
        covered = find_changes(output, grey())
        assert covered[14, 20] and covered[55, 80] and covered[5, 90] and not covered[35, 50]

    def test_rotated_boxes_turn_counter_clockwise(self):
        # A long box turned by 90 degrees stands upright.
        covered = find_changes(Visualizer(grey()).overlay_instances(boxes=np.array([[60, 40, 60, 10, 90.0]])), grey())
        rows, columns = np.nonzero(covered)
        assert np.ptp(rows) > 50 and np.ptp(columns) < 16
        corner = Visualizer(grey()).draw_rotated_box_with_label((60, 40, 80, 1, 30), alpha=1, edge_color="r", label="x")
        assert find_changes(corner, grey())[15:30, 85:100].any()  # its right end has risen
        assert not find_changes(Visualizer(grey()).overlay_rotated_instances(None), grey()).any()

    def test_keypoints_below_the_threshold_are_left_out(self):
        data = metadata(
            keypoint_names=["a", "b", "c"], keypoint_connection_rules=[("a", "b", (0, 255, 0)), ("b", "c", (0, 255, 0))]
        )
        points = torch.tensor([[[20.0, 40.5, 1.0], [60, 40.5, 1.0], [100, 40.5, 0.01]]])
        image = Visualizer(grey(), data).overlay_instances(keypoints=points).get_image()
        assert image[40, 40, 1] > 200 and image[40, 40, 0] < 50  # the line
        assert image[40, 20, 0] > 200  # the point
        assert (image[:, 70:] == 100).all()

    def test_semantic_and_panoptic_maps(self):
        data = metadata(stuff_classes=["sky", "grass"], stuff_colors=[(0, 0, 255), (0, 255, 0)], thing_classes=["cat"])
        labels = torch.zeros(80, 120, dtype=torch.int64)
        labels[40:] = 1
        labels[:, 110:] = 255  # unknown to the metadata
        image = Visualizer(grey(), data).draw_sem_seg(labels, draw_text=False).get_image()
        assert tuple(image[20, 20]) == (20, 20, 224) and tuple(image[60, 20]) == (20, 224, 20)
        assert tuple(image[20, 115]) == (100, 100, 100)
        segments = [
            {"id": 0, "category_id": 0, "isthing": False},
            {"id": 1, "category_id": 0, "isthing": True, "score": 0.5},
        ]
        for draw in ("draw_panoptic_seg", "draw_panoptic_seg_predictions"):
            image = getattr(Visualizer(grey(), data), draw)(labels, segments).get_image()
            assert image[10, 10, 2] > 180 and (image[60, 20] != 100).any()


class TestLabels:
    @pytest.mark.parametrize(
        "classes, scores, names, crowd, labels",
        [
            ([0, 1], [0.987, 0.5], ["cat", "dog"], None, ["cat 99%", "dog 50%"]),
            ([0, 1], None, ["cat", "dog"], [0, 1], ["cat", "dog|crowd"]),
            ([0, 7], None, ["cat"], None, ["cat", "7"]),
            ([3], [0.5], None, None, ["3 50%"]),
            (None, [0.123], None, None, ["12%"]),
            (None, None, None, None, None),
            ([], torch.zeros(0), ["cat"], None, []),
        ],
    )
    def test_texts(self, classes, scores, names, crowd, labels):
        assert _create_text_labels(classes, scores, names, crowd) == labels

    def test_places_do_not_overlap_and_stay_inside(self):
        layout = LabelLayout(100, 100)
        spots = [layout.place((10, 30), (20, 20, 60, 60)) for _ in range(12)]
        found = [spot for spot in spots if spot is not None]
        assert found[0] == (20, 10) and 4 <= len(found) < 12
        canvas = np.zeros((100, 100), int)
        for x, y in found:
            assert 0 <= x <= 70 and 0 <= y <= 90
            canvas[y : y + 10, x : x + 30] += 1
        assert (canvas > 1).sum() < 0.15 * 300 * len(found)

    def test_a_label_at_the_upper_border_moves_down(self):
        assert LabelLayout(100, 100).place((10, 30), (90, 0, 100, 40)) == (70, 0)

    def test_crowded_pictures_show_labels_of_large_objects_only(self):
        rng = np.random.default_rng(0)
        corners = rng.integers(0, 240, (80, 2))
        boxes = np.concatenate([corners, corners + 12], axis=1).astype(float)
        boxes[0] = [20, 20, 230, 230]
        with_labels = Visualizer(grey(256, 256)).overlay_instances(boxes=boxes, labels=["nucleus 98%"] * 80)
        without = Visualizer(grey(256, 256)).overlay_instances(boxes=boxes)
        plate, _ = render_text("nucleus 98%", 11)
        differs = (with_labels.get_image() != without.get_image()).any(axis=2).sum()
        assert 0.7 * plate.size < differs <= plate.size

    def test_rendered_text_is_cached_and_read_only(self):
        plate, ink = render_text("größe", 12)
        assert render_text("größe", 12)[0] is plate and ink.max() > 200
        with pytest.raises(ValueError):
            plate[0, 0] = 1


class TestColors:
    def test_names_and_numbers(self):
        assert _colors.rgb("r") == (1, 0, 0) and _colors.rgb((0, 0.5, 1, 0.3)) == (0, 0.5, 1)
        assert _colors.rgb_bytes("#102030") == (16, 32, 48)

    def test_neighbours_differ(self):
        side = [(x, y) for y in range(10) for x in range(10)]
        colors = np.array([_colors.rgb_bytes(c) for c in _colors.distinct_colors(side)]).reshape(10, 10, 3)
        assert (np.abs(np.diff(colors, axis=0)).sum(axis=2) > 0).all()
        assert (np.abs(np.diff(colors, axis=1)).sum(axis=2) > 0).all()
        assert len(set(_colors.distinct_colors(side[:20]))) == 20
        assert _colors.distinct_colors(np.zeros((0, 2))) == []

    @pytest.mark.parametrize("color", ["black", "b", "#400000", "w", "yellow"])
    def test_text_is_light_enough_for_a_dark_plate(self, color):
        red, green, blue = _colors.readable_on_dark(color)
        assert 0.2126 * red**2 + 0.7152 * green**2 + 0.0722 * blue**2 > 0.4

    def test_jitter_moves_by_its_length_at_most(self):
        rng = np.random.default_rng(0)
        moved = np.array([_colors.jitter((0.5, 0.5, 0.5), rng) for _ in range(50)])
        np.testing.assert_allclose(np.linalg.norm(moved - 0.5, axis=1), _colors.JITTER, atol=1e-9)
        assert (np.array(_colors.jitter((1, 0, 1), rng)) <= 1).all()


def test_no_metadata_is_fine(caplog):
    with caplog.at_level(logging.WARNING):
        output = Visualizer(grey()).draw_instance_predictions(instances([block(10, 50, 20, 90)]))
    assert find_changes(output, grey()).any() and not caplog.records
