"""Labels: what is drawn for a text, on one line, in a picture of the height of its letters."""

import numpy as np
from PIL import Image, ImageDraw

from maskrcnn_project.visualization import labels
from maskrcnn_project.visualization.fonts import OWN_FONT, runs_of


def test_a_text_of_one_font_is_drawn_as_it_is_by_that_font():
    ((font, text),) = runs_of("cell 97%", 20)
    assert font.path == str(OWN_FONT)
    drawn = labels._letters("cell 97%", 20)
    canvas = Image.new("L", drawn.shape[::-1])
    ImageDraw.Draw(canvas).text((3, 1), text, fill=255, font=font)
    assert np.array_equal(drawn, np.asarray(canvas))


def test_labels_of_every_text_are_drawn_in_place():
    texts = ["细胞核 97%", "🦋", "a\nb", "\ud83e", "ядро"]
    boxes = np.array([[10, 40 + 60 * number, 50, 60 + 60 * number] for number in range(len(texts))], dtype=float)
    picture = np.zeros((400, 300, 3), dtype=np.uint8)
    labels.draw_labels(picture, texts, boxes, [(40, 40, 200)] * len(texts))
    for box in boxes.astype(int):
        plate = picture[box[1] - 12 : box[1] - 2, box[0] : box[0] + 8]
        assert len(np.unique(plate.reshape(-1, 3), axis=0)) > 2  # the colour of the plate, and letters on it
