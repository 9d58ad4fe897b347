"""
How the drawn shapes look: textured ground, textured surfaces, shadows, noise.

H, W  height and width of the picture in pixels. Colours are RGB, floats in [0, 1], until the picture is done.
Nothing here comes from a photograph, and nothing on the ground is an outline that could pass for an object.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from maskrcnn_project.datasets.shapes.shapes_outline import Shape, coverage

MIN_CONTRAST = 0.4  # distance of an object's colour to the ground's mean, so that each can be seen
TYPICAL_HUES = (0.03, 0.6, 0.3)  # circle red, rectangle blue, triangle green: of the colour circle, 0 to 1
TYPICAL_SHARE = 0.85  # of the objects have their class's hue, the others any: shape has to be learnt as well
SURFACES = ("plain", "gradient", "stripes", "checks", "speckles", "clouds")
GROUNDS = ("clouds", "wood", "weave", "waves", "gravel")


def paint(rng: np.random.Generator, shapes: list[Shape], height: int, width: int) -> np.ndarray:
    """The picture of shapes that are listed from the front to the back: (H, W, 3) uint8, RGB."""
    ground = _ground(rng, height, width)
    mean = ground.mean(axis=(0, 1))
    light = rng.uniform(0, 2 * np.pi)  # the direction in which shadows fall
    offset = rng.uniform(0.008, 0.025) * min(height, width) * np.array([np.cos(light), np.sin(light)])
    picture = np.zeros_like(ground)
    seen = np.zeros((height, width), dtype=np.float32)
    shade = np.ones((height, width), dtype=np.float32)  # what the shadows of nearer objects leave of the light
    for shape in shapes:
        alpha = coverage(shape.visible)
        body = coverage(shape.full)
        surface = _surface(rng, mean, shape, body, light)
        picture += (alpha * shade)[..., None] * surface
        seen += alpha
        shade *= _shadow(body, offset, strength=rng.uniform(0.15, 0.4))
    picture += ((1 - seen) * shade)[..., None] * ground
    return _expose(rng, picture)


def _shadow(body: np.ndarray, offset: np.ndarray, strength: float) -> np.ndarray:
    """(H, W): the share of light that remains behind an object which covers ``body``."""
    height, width = body.shape
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], dtype=np.float32)
    moved = cv2.warpAffine(body, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return 1 - strength * cv2.GaussianBlur(moved, (0, 0), sigmaX=1.0 + 0.01 * max(height, width))


def _expose(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light, a little blur, and the grain of a sensor: (H, W, 3) float -> uint8."""
    height, width = picture.shape[:2]
    lit = picture * (1 + rng.uniform(0.05, 0.3) * _clouds(rng, height, width, octaves=(2,)))[..., None]
    blurred = cv2.GaussianBlur(lit, (0, 0), sigmaX=rng.uniform(0.3, 0.7))
    grain = rng.standard_normal((height, width, 3), dtype=np.float32) * rng.uniform(0.008, 0.035)
    return np.clip(np.round((blurred + grain) * 255), 0, 255).astype(np.uint8)


def _surface(
    rng: np.random.Generator, ground_mean: np.ndarray, shape: Shape, body: np.ndarray, light: float
) -> np.ndarray:
    """(H, W, 3): the colour of one object everywhere, with a pattern, a side towards the light, and a rim."""
    height, width = body.shape
    color = _object_color(rng, shape.category, ground_mean).astype(np.float32)
    other = np.clip(color + rng.choice([-1, 1]) * rng.uniform(0.1, 0.25, size=3), 0, 1).astype(np.float32)
    x, y = _turn_grid(rng, height, width)
    period = max(float(shape.radius * rng.uniform(0.3, 0.7)), 4.0)  # pixels: finer stripes would vanish in the blur
    kind = rng.choice(SURFACES, p=[0.45, 0.25, 0.08, 0.05, 0.07, 0.1])
    if kind == "stripes":
        mix = _soft_step(np.sin(2 * np.pi * x / period))
    elif kind == "checks":
        mix = _soft_step(np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period))
    elif kind == "gradient":
        mix = np.clip(0.5 + (x - float(x[body > 0].mean())) / (2 * shape.radius), 0, 1)
    elif kind == "speckles":
        mix = _soft_step(_clouds(rng, height, width, octaves=(height // 3,)) - 0.45)
    elif kind == "clouds":
        mix = 0.5 + 0.5 * _clouds(rng, height, width, octaves=(8, 16))
    else:
        mix = np.zeros((height, width), dtype=np.float32)
    surface = color + mix[..., None] * (other - color)  # (H, W, 3)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    (center_x, center_y), cos, sin = shape.center.tolist(), float(np.cos(light)), float(np.sin(light))
    towards = (columns - center_x) * cos + (rows - center_y) * sin
    lighting = 1 - 0.13 * np.clip(towards / shape.radius, -1, 1)
    depth = cv2.distanceTransform((body > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    rim = 1 - 0.4 * np.exp(-depth / 1.2)
    return surface * (lighting * rim)[..., None]


def _object_color(rng: np.random.Generator, category: int, ground_mean: np.ndarray) -> np.ndarray:
    """(3,) mostly a hue of its class, as products and cells have one, but not the ground's own colour."""
    typical = rng.random() < TYPICAL_SHARE
    for _ in range(50):
        hue = (TYPICAL_HUES[category] + rng.uniform(-0.09, 0.09)) % 1 if typical else rng.random()
        color = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.45, 0.95), rng.uniform(0.4, 0.97)))
        if np.linalg.norm(color - ground_mean) > MIN_CONTRAST:
            break
    return color


def _ground(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W, 3): a muted texture with strokes on it that belong to no object."""
    hue, value = rng.random(), rng.uniform(0.25, 0.8)
    first = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.05, 0.35), value))
    second_hue = (hue + rng.uniform(-0.12, 0.12)) % 1
    second = np.array(
        colorsys.hsv_to_rgb(second_hue, rng.uniform(0.05, 0.4), np.clip(value + rng.uniform(-0.3, 0.3), 0.1, 0.95))
    )
    x, y = _turn_grid(rng, height, width)
    clouds = _clouds(rng, height, width, octaves=(3, 6, 12, 24, 48))
    period = rng.uniform(0.05, 0.14) * max(height, width)
    kind = rng.choice(GROUNDS)
    if kind == "wood":
        mix = 0.5 + 0.35 * np.sin(2 * np.pi * x / period + 4 * clouds) + 0.25 * clouds
    elif kind == "weave":
        threads = np.maximum(np.abs(np.sin(np.pi * x / period)), np.abs(np.sin(np.pi * y / period)))
        mix = 0.8 * threads**2 + 0.3 * clouds
    elif kind == "waves":
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * (x + 0.4 * period * np.sin(y / period)) / (2 * period)) + 0.2 * clouds
    elif kind == "gravel":
        mix = 0.5 + 0.7 * _clouds(rng, height, width, octaves=(24, 48))
    else:
        mix = 0.5 + 0.6 * clouds
    ground = first + np.clip(mix, 0, 1)[..., None] * (second - first)
    return _strokes(rng, ground.astype(np.float32))


def _strokes(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """Distractors: crosses, scratches and wandering threads, half transparent, on the ground only."""
    height, width = ground.shape[:2]
    result = ground
    for _ in range(int(rng.integers(0, 9))):
        layer = np.zeros((height, width), dtype=np.uint8)
        at = rng.uniform(0, [width, height])
        length = rng.uniform(0.03, 0.12) * max(height, width)
        kind = rng.choice(["cross", "scratch", "thread"])
        angle = rng.uniform(0, np.pi)
        arm = length * np.array([np.cos(angle), np.sin(angle)])
        if kind == "thread":
            headings = angle + np.cumsum(rng.normal(0, 0.45, size=14))
            lines = [at + np.cumsum(np.stack([np.cos(headings), np.sin(headings)], 1) * length / 3, axis=0)]
        elif kind == "cross":
            arm *= 0.5
            lines = [
                np.stack([at - arm, at + arm]),
                np.stack([at - arm[::-1] * [1, -1], at + arm[::-1] * [1, -1]]),
            ]
        else:
            lines = [np.stack([at - 2 * arm, at + 2 * arm])]
        points = [np.round(line * 16).astype(np.int32) for line in lines]  # 16: cv2's shift of 4 bits
        cv2.polylines(layer, points, False, 255, thickness=1, lineType=cv2.LINE_AA, shift=4)
        alpha = (layer.astype(np.float32) / 255 * rng.uniform(0.25, 0.7))[..., None]
        result = result * (1 - alpha) + alpha * rng.uniform(0, 1, size=3).astype(np.float32)
    return result


def _clouds(rng: np.random.Generator, height: int, width: int, octaves: tuple[int, ...]) -> np.ndarray:
    """(H, W) float32 in [-1, 1]: smooth noise, the sum of grids of so many cells a side."""
    total = np.zeros((height, width), dtype=np.float32)
    for strength, cells in enumerate(octaves):
        grid = rng.uniform(-1, 1, size=(cells + 1, cells + 1)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.7**strength
    return total / max(float(np.abs(total).max()), 1e-6)


def _turn_grid(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (H, W) coordinates in pixels along axes that are turned by a random angle."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))  # Python floats leave the grid in float32
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return columns * cos + rows * sin, rows * cos - columns * sin


def _soft_step(wave: np.ndarray) -> np.ndarray:
    """Turns a wave around 0 into bands of 0 and 1 with smooth edges."""
    return 1 / (1 + np.exp(-8 * wave))
