"""A film of plain frames, each of its own brightness, so that a frame is known again after compression."""

import numpy as np

from maskrcnn_project.prediction.video import write_video

HEIGHT, WIDTH, STEP = 48, 64, 20


def write_film(path, frames=5, rate=10.0):
    write_video(path, (np.full((HEIGHT, WIDTH, 3), STEP * index, np.uint8) for index in range(frames)), rate)
    return path


def frame_number(frame):
    return round(float(frame.mean()) / STEP)
