"""Builders of odd COCO sets: each changes a sound one, as some exporter or some hand has done it."""

import copy
import json
from functools import partial

import numpy as np

from maskrcnn_project.masks.coding import decode, encode

HEIGHT, WIDTH = 48, 64
# (image, x, y, width, height) of rectangles of which none lies near the diagonal; those of odd numbers lack a corner.
OBJECTS = [
    (1, 30, 4, 20, 10), (1, 4, 30, 24, 8), (1, 44, 20, 14, 16),
    (2, 40, 6, 22, 8), (2, 2, 20, 30, 10), (2, 36, 30, 12, 16),
    (3, 34, 2, 26, 12), (3, 6, 34, 20, 10), (3, 50, 18, 10, 24),
    (4, 28, 8, 24, 6), (4, 10, 36, 30, 10), (4, 52, 24, 10, 20),
]  # fmt: skip
IMAGES = 4
AS_RLE = range(9, 13)  # the numbers of the objects whose masks are run lengths


def polygon_of(x, y, w, h):
    return [x, y, x + w, y, x + w, y + h - 4, x + w - 4, y + h, x, y + h]


def rle_of(x, y, w, h):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + h, x : x + w] = True
    mask[y + 2 : y + 4, x + 2 : x + 4] = False
    return encode(mask)


def sound(masks="both"):
    """
    Four images, twelve objects of two classes.

    Args:
        masks: "both" kinds, or "polygons" or "rle" for one.
    """
    rows = []
    for number, (image, *box) in enumerate(OBJECTS, 1):
        is_rle = masks == "rle" or (masks == "both" and number in AS_RLE)
        segmentation = rle_of(*box) if is_rle else [polygon_of(*box)]
        row = {"id": number, "image_id": image, "category_id": 1 + number % 2, "iscrowd": 0, "bbox": list(box)}
        rows.append({**row, "area": box[2] * box[3] - (4 if is_rle else 8), "segmentation": segmentation})
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(1, IMAGES + 1)]
    return {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}]}


def text(change=lambda text: text):
    """The JSON of the sound set, changed as a text."""
    return lambda: change(json.dumps(sound()))


def each(table, change, masks="both", only=None):
    """``change(row)`` of every row of a table, or of the rows with the numbers ``only``, by place from 0."""

    def build():
        coco = sound(masks)
        for place, row in enumerate(coco[table]):
            if only is None or place in only:
                change(row)
        return json.dumps(coco)

    return build


def put(table, key, value, only=(0,), masks="both"):
    """One value for some rows."""
    return each(table, lambda row: row.__setitem__(key, copy.deepcopy(value)), masks, only)


def without(table, key, only=None):
    return each(table, lambda row: row.pop(key), only=only)


def with_rows(table, *rows):
    return lambda: json.dumps({**sound(), table: [*sound()[table], *rows]})


def only_tables(**tables):
    return lambda: json.dumps({**sound(), **tables})


def boxes(change, masks="both", only=None):
    return each("annotations", lambda row: row.update(bbox=change(*row["bbox"])), masks, only)


def points(change, masks="both"):
    """``change(x, y)`` of every corner."""

    def of_row(row):
        if isinstance(row["segmentation"], list):
            pairs = [zip(*[iter(polygon)] * 2, strict=True) for polygon in row["segmentation"]]
            row["segmentation"] = [[value for pair in polygon for value in change(*pair)] for polygon in pairs]

    return each("annotations", of_row, masks)


def segmentations(change, masks, only=None):
    return each("annotations", lambda row: row.update(segmentation=change(row["segmentation"])), masks, only)


polygons = partial(segmentations, masks="polygons", only=(0, 2))
run_lengths = partial(segmentations, masks="rle", only=(0, 2))


def along_rows(rle):
    return {"size": [HEIGHT, WIDTH], "counts": encode(decode(rle, HEIGHT, WIDTH).T)["counts"]}


def mirrored(rle):
    return encode(decode(rle, HEIGHT, WIDTH)[:, ::-1])


def in_percent(x, y, w, h):
    return [100 * side / whole for side, whole in zip((x, y, w, h), 2 * (WIDTH, HEIGHT), strict=True)]


def halved(rle):
    """As made on a picture of half the size."""
    return encode(decode(rle, HEIGHT, WIDTH)[::2, ::2])


def of_next_row(key):
    """Every row has the box or mask of the next one."""

    def build():
        coco = sound()
        rows = coco["annotations"]
        values = [row[key] for row in rows]
        for row, value in zip(rows, [*values[1:], values[0]], strict=True):
            row[key] = value
        return json.dumps(coco)

    return build


def shifted_images():
    """Every second image is smaller than where its neighbours' objects lie, and has the annotations of the next one."""
    coco = sound()
    rows = coco["annotations"]
    for image in coco["images"][1::2]:
        image.update(height=24, width=24)
    small = {image["id"] for image in coco["images"][1::2]}
    for number, row in enumerate(rows):
        if row["image_id"] in small:
            x, y = 2 + number % 3, 3 + number % 3
            row.update(bbox=[x, y, 12, 10], segmentation=[polygon_of(x, y, 12, 10)], area=112)
        elif isinstance(row["segmentation"], dict):
            row["segmentation"] = [polygon_of(*row["bbox"])]
        row["image_id"] = row["image_id"] % IMAGES + 1
    return json.dumps(coco)


def polygons_through_centres():
    """As OpenCV's contours are: from pixel to pixel, without the half pixel round them."""
    coco = sound("polygons")
    for row in coco["annotations"]:
        x, y, w, h = row["bbox"]
        right, bottom = x + w - 1, y + h - 1
        row["segmentation"] = [[x, y, right, y, right, bottom - 3, right - 3, bottom, x + 3, bottom, x, bottom - 3]]
    return json.dumps(coco)


def renumbered(table, reference, number):
    """``number(old)`` as the ids of a table, and where annotations refer to them."""

    def build():
        coco = sound()
        for row in coco[table]:
            row["id"] = number(row["id"])
        for row in coco["annotations"] if reference else ():
            row[reference] = number(row[reference])
        return json.dumps(coco)

    return build
