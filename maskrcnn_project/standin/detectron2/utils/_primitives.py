"""The drawing methods of ``Visualizer`` that know nothing of instances: boxes, lines, text, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from ._canvas import SHIFT, VisImage, blend, draw_polyline, draw_text_plate
from ._colors import palette, readable_on_dark
from ._mask_drawing import GenericMask, draw_mask
from ._text_drawing import render_text

# Side of a square as large as the picture, for each pixel of font height and of line width: of 1000x667 the
# side is 817, which gives 16 and 2.
PIXELS_PER_FONT_PIXEL = 50
PIXELS_PER_LINE_PIXEL = 400
# Fonts are not smaller than this, unless the picture is so small that the text would fill it.
MIN_FONT = 11
SMALL_PICTURE = 8  # parts of its side
# DejaVu Sans is a smear below it.
LEGIBLE_FONT = 8


class Primitives:
    """Draws single things in image coordinates; every ``draw_*`` returns ``output``."""

    def __init__(self, img_rgb: np.ndarray, scale: float, font_size_scale: float) -> None:
        self.img = _as_rgb(img_rgb)
        self.output = VisImage(self.img, scale)
        side = math.sqrt(self.output.canvas.shape[0] * self.output.canvas.shape[1])
        font = max(side / PIXELS_PER_FONT_PIXEL, min(MIN_FONT, max(LEGIBLE_FONT, side / SMALL_PICTURE)))
        # In image coordinates, as all that is drawn: on the canvas it is larger by ``scale``.
        self._default_font_size = font_size_scale * font / scale
        self._default_line_width = max(1.0, side / PIXELS_PER_LINE_PIXEL) / scale

    def draw_text(
        self,
        text: str,
        position: Sequence[float],
        *,
        font_size: float | None = None,
        color: Any = "g",
        horizontal_alignment: str = "center",
        rotation: float = 0,
    ) -> VisImage:
        """
        Args:
            position: (x, y) of the middle of the text's upper edge, or of its left or right end.
            font_size: height in image pixels; None: by the size of the picture.
            horizontal_alignment: "center", "left" or "right".
            rotation: degrees, counter-clockwise.
        """
        if horizontal_alignment not in ("center", "left", "right"):
            raise ValueError(
                f"horizontal_alignment is 'center', 'left' or 'right', but got {horizontal_alignment!r}; choose one."
            )
        layers = self._render(text, font_size, rotation)
        x, y = (float(c) * self.output.scale for c in position)
        height, width = layers[0].shape
        x -= {"left": 0.0, "center": width / 2, "right": float(width)}[horizontal_alignment]
        canvas = self.output.canvas
        # Kept inside the picture: text cut off at its border cannot be read.
        corner = (
            round(max(0, min(x, canvas.shape[1] - width))),
            round(max(0, min(y, canvas.shape[0] - height))),
        )
        draw_text_plate(canvas, layers, corner, readable_on_dark(color))
        return self.output

    def _render(self, text: str, font_size: float | None = None, rotation: float = 0) -> Any:
        size = self._default_font_size if font_size is None else font_size
        return render_text(str(text), max(1, round(size * self.output.scale)), float(rotation))

    def draw_box(
        self, box_coord: Sequence[float], alpha: float = 0.5, edge_color: Any = "g", line_style: str = "-"
    ) -> VisImage:
        """``box_coord``: XYXY. ``line_style``: matplotlib's."""
        scale = self.output.scale
        # On whole pixels, so that thin upright lines are crisp.
        x0, y0, x1, y1 = (round(float(c) * scale) for c in box_coord)
        x1, y1 = max(x0, x1 - 1), max(y0, y1 - 1)
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) + 0.5
        return self._line(corners, edge_color, alpha=alpha, closed=True, style=line_style, crisp=True)

    def draw_line(
        self,
        x_data: Sequence[float],
        y_data: Sequence[float],
        color: Any,
        linestyle: str = "-",
        linewidth: float | None = None,
    ) -> VisImage:
        """A line through the points (x_data[i], y_data[i]); ``linewidth`` in image pixels."""
        points = np.stack([np.asarray(x_data, float), np.asarray(y_data, float)], axis=1) * self.output.scale
        return self._line(points, color, style=linestyle, width=linewidth)

    def _line(
        self,
        canvas_points: np.ndarray,
        color: Any,
        *,
        alpha: float = 1.0,
        closed: bool = False,
        style: str = "-",
        width: float | None = None,
        crisp: bool = False,
    ) -> VisImage:
        on_canvas = (self._default_line_width if width is None else width) * self.output.scale
        draw_polyline(
            self.output.canvas,
            canvas_points,
            color,
            width=on_canvas,
            alpha=alpha,
            closed=closed,
            style=style,
            crisp=crisp,
        )
        return self.output

    def draw_circle(self, circle_coord: Sequence[float], color: Any, radius: float = 3) -> VisImage:
        """A filled circle; ``radius`` in image pixels."""
        x, y = (float(c) * self.output.scale for c in circle_coord)
        # OpenCV's anti-aliasing adds a rim of half a pixel.
        on_canvas = max(0.5, radius * self.output.scale - 0.5)
        reach = math.ceil(on_canvas) + 1
        coverage = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
        corner = (math.floor(x) - reach, math.floor(y) - reach)
        center = (round((x - 0.5 - corner[0]) * 2**SHIFT), round((y - 0.5 - corner[1]) * 2**SHIFT))
        cv2.circle(coverage, center, round(on_canvas * 2**SHIFT), 255, -1, cv2.LINE_AA, SHIFT)
        blend(self.output.canvas, coverage, corner, color, 1.0)
        return self.output

    def draw_polygon(self, segment: np.ndarray, color: Any, edge_color: Any = None, alpha: float = 0.5) -> VisImage:
        """``segment``: (n, 2), x and y. The edge takes ``color`` where ``edge_color`` is None."""
        flat = np.asarray(segment, float).reshape(-1)
        self._draw_mask(GenericMask([flat], self.output.height, self.output.width), color, edge_color, alpha)
        return self.output

    def draw_binary_mask(
        self,
        binary_mask: np.ndarray,
        color: Any = None,
        *,
        edge_color: Any = None,
        text: str | None = None,
        alpha: float = 0.5,
        area_threshold: float | None = 10,
    ) -> VisImage:
        """
        Args:
            binary_mask: (H, W), 0/1 or bool.
            color: None: one of the palette.
            text: written in the middle of the mask's largest part.
            area_threshold: parts with fewer pixels are not drawn.
        """
        color = palette(0) if color is None else color
        mask = np.ascontiguousarray(binary_mask).astype(np.uint8)
        count, parts, stats, centers = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = stats[:, cv2.CC_STAT_AREA]
        areas[0] = 0  # the background
        kept = areas >= max(1, area_threshold or 0)
        if not kept.any():
            return self.output
        if not kept[1:].all():
            mask = kept[parts].astype(np.uint8)
        self._draw_mask(GenericMask(mask, *mask.shape), color, edge_color, alpha)
        if text is not None:
            rows, columns = np.nonzero(parts == int(np.argmax(areas)))
            self.draw_text(text, (float(np.median(columns)), float(np.median(rows))), color=color)
        return self.output

    def draw_soft_mask(
        self, soft_mask: np.ndarray, color: Any = None, *, text: str | None = None, alpha: float = 0.5
    ) -> VisImage:
        """``soft_mask``: (H, W), 0..1; each pixel is as opaque as ``alpha`` times its value."""
        color = palette(0) if color is None else color
        canvas = self.output.canvas
        size = (canvas.shape[1], canvas.shape[0])
        values = cv2.resize(np.asarray(soft_mask, np.float32), size, interpolation=cv2.INTER_LINEAR)
        blend(canvas, np.clip(values * 255, 0, 255).round().astype(np.uint8), (0, 0), color, alpha)
        if text is not None:
            rows, columns = np.nonzero(np.asarray(soft_mask) > 0.5)
            if len(rows):
                self.draw_text(text, (float(np.median(columns)), float(np.median(rows))), color=color)
        return self.output

    def _draw_mask(self, mask: GenericMask, color: Any, edge_color: Any = None, alpha: float = 0.5) -> None:
        coverage, corner = mask.coverage(self.output.scale)
        draw_mask(
            self.output.canvas,
            coverage,
            corner,
            color,
            alpha=alpha,
            edge_color=color if edge_color is None else edge_color,
            edge_width=self._default_line_width * self.output.scale,
        )

    def get_output(self) -> VisImage:
        """What has been drawn so far."""
        return self.output


def _as_rgb(img: Any) -> np.ndarray:
    """RGB (H, W, 3), or grey (H, W) or (H, W, 1), of any type in 0..255 -> uint8 (H, W, 3)."""
    array = np.asarray(img)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(f"A picture to draw on has shape (H, W, 3), RGB, but got {np.asarray(img).shape}; convert it.")
    array = np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array
    return array.clip(0, 255).astype(np.uint8)
