"""Ten photos with one square each: the user's own data, as small as a training's preparation takes them."""

import numpy as np
from PIL import Image

COUNT, HEIGHT, WIDTH = 10, 48, 64


def square(identity, image_id, category_id=1):
    """An annotation of 28 x 28 pixels."""
    polygon = [[2, 2, 30, 2, 30, 30, 2, 30]]
    box = {"bbox": [2, 2, 28, 28], "area": 784, "iscrowd": 0, "segmentation": polygon}
    return {"id": identity, "image_id": image_id, "category_id": category_id, **box}


def coco(count=COUNT):
    """The first ``count`` photos as COCO has them."""
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(count)]
    rows = [square(i + 1, i) for i in range(count)]
    return {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "square"}]}


def write_photos(folder):
    """Writes the ten into a new folder."""
    folder.mkdir()
    for i in range(COUNT):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 20 * i, np.uint8)).save(folder / f"{i}.png")
