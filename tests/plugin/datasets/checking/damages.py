"""One way to break each rule that looks at one JSON file: what to do to a sound file, and where it has to be found."""

import copy

import numpy as np

from maskrcnn_project.datasets.segmentations import can_be_drawn, form_faults
from maskrcnn_project.masks.coding import decode, encode
from tests.plugin.datasets.checking.sound_set import HEIGHT, WIDTH, annotation, ring, row_of, square

ANYWHERE = None  # in most rows


def _set(number, key, value):
    def damage(coco):
        row_of(coco, number)[key] = value

    return damage


def _malformed_rows(coco):
    polygon, box = square(40, 60, 10)
    coco["annotations"] += ["nothing", annotation(None, 1, 1, [polygon], box, 100)]
    coco["images"].append({"id": 4, "file_name": "4.png", "height": 0, "width": 5})


def _image_again(coco):
    coco["images"].append({**coco["images"][0], "file_name": "./1.png"})


def _image_id_again(coco):
    coco["images"].append({**coco["images"][0], "file_name": "other.png"})
    coco["annotations"].append(annotation(41, 1, 1, [square(60, 60, 10)[0]], [60, 60, 10, 10], 100))


def _annotation_id_again(coco):
    row_of(coco, 12)["id"] = 11


def _category_id_again(coco):
    coco["categories"].append({"id": 5, "name": "bolt"})


def _category_name_again(coco):
    coco["categories"].append({"id": 6, "name": "nut"})
    row_of(coco, 12)["category_id"] = 6


def _file_again(coco):
    coco["images"].append({**coco["images"][2], "id": 4})
    coco["annotations"].append(annotation(41, 4, 1, [square(90, 5, 10)[0]], [90, 5, 10, 10], 100))


def _category_unused(coco):
    coco["categories"].append({"id": 6, "name": "bolt"})


def _category_root(coco):
    coco["categories"].insert(0, {"id": 0, "name": "part", "supercategory": "none"})


def _no_area(coco):
    del row_of(coco, 11)["area"]
    del row_of(coco, 22)["iscrowd"]
    del row_of(coco, 22)["area"]


def _no_mask(coco):
    row_of(coco, 11)["segmentation"] = []
    del row_of(coco, 12)["segmentation"]


def _flat(coco):
    row = row_of(coco, 11)
    row["segmentation"] = row["segmentation"][0]


def _part_short(coco):
    row_of(coco, 11)["segmentation"].append([1, 2, 3, 4])


def _short(coco):
    row_of(coco, 12)["segmentation"] = [[50, 20, 80, 20, 80, 50, 50]]
    row_of(coco, 13)["segmentation"] = [[1, 2, 3, 4, 1, 2]]  # closed: two points


def _not_finite(coco):
    row_of(coco, 11)["segmentation"][0][4:4] = [float("nan"), 30]
    row_of(coco, 12)["segmentation"][0][2:2] = [60, 10**400]


def _crossing(coco):
    row_of(coco, 11)["segmentation"] = [[10, 20, 30, 40, 30, 20, 10, 40]]
    row_of(coco, 11)["area"] = 200


def _outside(coco):
    row_of(coco, 13).update(segmentation=[square(90, 80, 40)[0]], bbox=[90, 80, 30, 20], area=600)


def _rle_of_other_size(coco):
    row_of(coco, 22)["segmentation"] = encode(ring()[:, :-1])


def _rle_short(coco):
    row_of(coco, 22)["segmentation"]["counts"] = row_of(coco, 22)["segmentation"]["counts"][:-3]


def _uncompressed(coco):
    pixels = np.concatenate([[0], ring().T.ravel().astype(int), [0]])
    runs = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(pixels[:-1]) != 0, [True]])))
    row_of(coco, 22)["segmentation"]["counts"] = [int(runs[0]) - 1, *map(int, runs[1:])]


def _all_crowd(coco):
    for row in coco["annotations"]:
        row["iscrowd"] = 1


def _all_boxes(coco):
    coco["annotations"] = [
        annotation(100 + i, 1 + i % 3, 1 + 4 * (i % 2), [square(2 + 5 * i, 10, 4)[0]], square(2 + 5 * i, 10, 4)[1], 16)
        for i in range(20)
    ]


def _full(coco):
    polygon = [0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT]
    row_of(coco, 31).update(segmentation=[polygon], bbox=[0, 0, WIDTH, HEIGHT], area=WIDTH * HEIGHT)


def _far_parts(coco):
    row_of(coco, 21)["segmentation"][1] = square(60, 10, 20)[0]
    row_of(coco, 21)["bbox"] = [10, 10, 70, 20]
    dots = np.zeros((HEIGHT, WIDTH), dtype=bool)
    dots[50:55, 60:64] = dots[90:95, 60:64] = True
    row_of(coco, 22).update(segmentation=encode(dots), bbox=[60, 50, 4, 45], area=40)


def _duplicate(coco):
    again = copy.deepcopy(row_of(coco, 12))
    again["segmentation"][0][0] += 1
    coco["annotations"].append({**again, "id": 41})


def _empty(coco):
    row_of(coco, 11).update(segmentation=[[10.1, 20.1, 10.3, 20.1, 10.2, 20.3]], bbox=[10.1, 20.1, 0.2, 0.2], area=0)
    row_of(coco, 22).update(segmentation=encode(np.zeros((HEIGHT, WIDTH), dtype=bool)))


def _crowded(coco):
    for i in range(101):
        polygon, box = square(2 + 10 * (i % 11), 2 + 9 * (i // 11), 5)
        coco["annotations"].append(annotation(100 + i, 3, 1, [polygon], box, 25))
    for i in range(4):  # so that the other class is not too rare beside
        polygon, box = square(10 + 20 * i, 80, 10)
        coco["annotations"].append(annotation(300 + i, 1, 5, [polygon], box, 100))


def _imbalanced(coco):
    for i in range(99):
        polygon, box = square(2 + 10 * (i % 11), 2 + 9 * (i // 11), 5)
        polygon[4] += 1  # no rectangle
        coco["annotations"].append(annotation(100 + i, 1 + i % 3, 1, [polygon], box, 27))


def _no_objects(coco):
    coco["annotations"] = [row for row in coco["annotations"] if row["image_id"] != 3]


def _ignored(coco):
    row_of(coco, 12)["ignore"] = 0


def _no_annotations(coco):
    coco["annotations"] = []


def _thin(coco):
    coco["images"].append({"id": 4, "file_name": "4.png", "height": 1, "width": 5000})
    coco["annotations"].append(annotation(41, 4, 1, [[10, 0, 30, 0, 30, 1, 10, 1]], [10, 0, 20, 1], 20))


def _two_spellings(coco):
    coco["categories"].append({"id": 6, "name": "NUT"})
    row_of(coco, 12)["category_id"] = 6


def _each_box(change):
    def damage(coco):
        for row in coco["annotations"]:
            row["bbox"] = change(*row["bbox"])

    return damage


def _each_polygon(change):
    def damage(coco):
        for row in coco["annotations"]:
            if isinstance(row["segmentation"], list):
                points = [list(zip(*[iter(polygon)] * 2, strict=True)) for polygon in row["segmentation"]]
                row["segmentation"] = [[value for point in polygon for value in change(*point)] for polygon in points]

    return damage


def _without_rle(coco):
    coco["annotations"] = [row for row in coco["annotations"] if isinstance(row["segmentation"], list)]


def _exchanged_somewhere(coco):
    """Neither the boxes nor the polygons leave the image."""
    _without_rle(coco)
    row_of(coco, 13).update(segmentation=[square(70, 60, 30)[0]], bbox=[70, 60, 30, 30])
    _each_box(lambda x, y, w, h: [y, x, h, w])(coco)


def _row_major(coco):
    """Four masks along the rows; those of polygons become run lengths."""
    for number in (11, 12, 13, 22):
        row = row_of(coco, number)
        if not can_be_drawn(form_faults(row["segmentation"], HEIGHT, WIDTH)):
            raise ValueError("another damage has been here")
        mask = decode(row["segmentation"], HEIGHT, WIDTH)
        row["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": encode(mask.T)["counts"]}


def _boxes_of_next_rows(coco):
    boxes = [row["bbox"] for row in coco["annotations"]]
    for row, box in zip(coco["annotations"], [*boxes[1:], boxes[0]], strict=True):
        row["bbox"] = box


def _of_the_next_image(coco):
    """Images of three sizes that hold just what lies in them; then every image has the annotations of the next one."""
    for image, (height, width) in zip(coco["images"], [(HEIGHT, WIDTH), (82, 115), (81, 82)], strict=True):
        image.update(height=height, width=width)
    for row in coco["annotations"]:
        height, width = [(HEIGHT, WIDTH), (82, 115), (81, 82)][row["image_id"] - 1]
        if isinstance(row["segmentation"], dict):
            row["segmentation"] = encode(decode(row["segmentation"], HEIGHT, WIDTH)[:height, :width])
        row["image_id"] = row["image_id"] % 3 + 1


def _through_centres(coco):
    """From pixel to pixel, with slanted corners, and boxes that count the last pixel."""
    for row in coco["annotations"]:
        if isinstance(row["segmentation"], list):
            x, y, w, h = row["bbox"]
            right, bottom = x + w - 1, y + h - 1
            row["segmentation"] = [[x, y, right, y, right, bottom - 3, right - 3, bottom, x + 3, bottom, x, bottom - 3]]
            row["area"] = w * h - 18


# rule -> what breaks it, and (image id, annotation id) of every place where it has to be found
DAMAGES = {
    "table-empty": (_no_annotations, [(None, None)]),
    "values-tidied": (_ignored, [(None, None)]),
    "image-thin": (_thin, [(4, None)]),
    "category-name-case": (_two_spellings, [(None, None)]),
    "boxes-normalised": (_each_box(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]), ANYWHERE),
    "polygons-normalised": (_each_polygon(lambda x, y: (x / WIDTH, y / HEIGHT)), ANYWHERE),
    "boxes-swapped": (_each_box(lambda x, y, w, h: [y, x, h, w]), ANYWHERE),
    "polygons-swapped": (_each_polygon(lambda x, y: (y, x)), ANYWHERE),
    "rle-row-major": (_row_major, ANYWHERE),
    "axes-differ": (_exchanged_somewhere, ANYWHERE),
    "scale-differs": (_each_box(lambda x, y, w, h: [x / 2, y / 2, w / 2, h / 2]), ANYWHERE),
    "boxes-percent": (
        _each_box(lambda x, y, w, h: [100 * x / WIDTH, 100 * y / HEIGHT, 100 * w / WIDTH, 100 * h / HEIGHT]),
        ANYWHERE,
    ),
    "polygons-percent": (_each_polygon(lambda x, y: (100 * x / WIDTH, 100 * y / HEIGHT)), ANYWHERE),
    "boxes-centred": (_each_box(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]), ANYWHERE),
    "boxes-differ": (_each_box(lambda x, y, w, h: [x / 3, 0.7 * y + 25, 3, 3]), ANYWHERE),
    "mirror-differs": (_each_box(lambda x, y, w, h: [WIDTH - x - w, y, w, h]), ANYWHERE),
    "rows-differ": (_boxes_of_next_rows, ANYWHERE),
    "annotations-shifted": (_of_the_next_image, ANYWHERE),
    "polygon-centres": (_through_centres, ANYWHERE),
    "row-malformed": (_malformed_rows, [(4, None), (None, None), (1, None)]),
    "image-id-repeated": (_image_id_again, [(1, None)]),
    "annotation-id-repeated": (_annotation_id_again, [(1, 11)]),
    "category-id-repeated": (_category_id_again, [(None, None)]),
    "category-name-repeated": (_category_name_again, [(None, None)]),
    "file-repeated": (_file_again, [(4, None)]),
    "image-unknown": (_set(12, "image_id", 9), [(9, 12)]),
    "category-unknown": (_set(12, "category_id", 9), [(1, 12)]),
    "category-unused": (_category_unused, [(None, None)]),
    "category-root": (_category_root, [(None, None)]),
    "key-missing": (_no_area, [(1, 11), (2, 22)]),
    "crowd-malformed": (_set(12, "iscrowd", None), [(1, 12)]),
    "box-malformed": (_set(12, "bbox", [1, 2, float("nan"), 4]), [(1, 12)]),
    "box-empty": (_set(12, "bbox", [50, 20, 0, 30]), [(1, 12)]),
    "box-outside": (_set(13, "bbox", [90, 70, 33, 30]), [(1, 13)]),
    "box-corners": (_set(12, "bbox", [50, 20, 80, 50]), [(1, 12)]),
    "box-mask-differ": (_set(12, "bbox", [50, 20, 30, 40]), [(1, 12)]),
    "mask-missing": (_no_mask, [(1, 11), (1, 12)]),
    "mask-malformed": (_set(22, "segmentation", {"counts": "abc"}), [(2, 22)]),
    "polygon-flat": (_flat, [(1, 11)]),
    "polygon-part-short": (_part_short, [(1, 11)]),
    "polygon-short": (_short, [(1, 12), (1, 13)]),
    "polygon-not-finite": (_not_finite, [(1, 11), (1, 12)]),
    "polygon-crossing": (_crossing, [(1, 11)]),
    "mask-outside": (_outside, [(1, 13)]),
    "rle-size": (_rle_of_other_size, [(2, 22)]),
    "rle-malformed": (_rle_short, [(2, 22)]),
    "rle-uncompressed": (_uncompressed, [(2, 22)]),
    "rle-all-crowd": (_all_crowd, [(1, 11), (1, 12), (1, 13), (2, 21), (2, 22)]),
    "masks-all-boxes": (_all_boxes, [(None, None)]),
    "mask-empty": (_empty, [(1, 11), (2, 22)]),
    "mask-full": (_full, [(3, 31)]),
    "mask-parts": (_far_parts, [(2, 21), (2, 22)]),
    "instance-duplicate": (_duplicate, [(1, 41)]),
    "area-wrong": (_set(12, "area", 1100), [(1, 12)]),
    "image-too-crowded": (_crowded, [(3, None)]),
    "class-imbalance": (_imbalanced, [(None, None)]),
    "images-without-objects": (_no_objects, [(3, None)]),
}
