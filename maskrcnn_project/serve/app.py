"""The requests of the page and what answers them. What a stranger sends is refused in one sentence, as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from maskrcnn_project.datasets.image_file import ValueRange
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.serve.host_check import HostCheck
from maskrcnn_project.serve.queue import Queue
from maskrcnn_project.serve.result_store import Result, Results
from maskrcnn_project.serve.settings import PageSettings, as_csv, measure_shown, table
from maskrcnn_project.serve.upload import Limits, decode, picture, shown_step

PAGE = Path(__file__).parent / "page"
MAX_NAME = 120  # characters of a file's name that are kept


@dataclass(frozen=True)
class Model:
    """
    What is tried.

    Attributes:
        detect: of one image (H, W, 3) uint8 BGR; the most confident first. Never called twice at the same time.
        thresholds: (K,) of each class, where the sliders begin.
        lowest: the score from which on ``detect`` finds instances, where the sliders end.
        most: so many instances at most it finds in an image; None: there is no limit.
        values: how images of more than 8 bits are read; None: by the full range of their type.
    """

    title: str
    class_names: Sequence[str]
    detect: Callable[[np.ndarray], Detections]
    thresholds: Sequence[float]
    lowest: float
    most: int | None
    values: ValueRange | None = None


@dataclass
class Page:
    """The answers, with what they share."""

    model: Model
    limits: Limits
    examples: Sequence[Path]
    results: Results = field(default_factory=Results)

    def __post_init__(self) -> None:
        self.queue = Queue(self.limits.waiting)

    async def about(self, request: Request) -> Response:
        """GET /api/model: what the page has to know before the first image."""
        return JSONResponse(
            {
                "title": self.model.title,
                "classes": list(self.model.class_names),
                "thresholds": [float(value) for value in self.model.thresholds],
                "lowest": self.model.lowest,
                "megabytes": self.limits.megabytes,
                "megapixels": self.limits.megapixels,
                "examples": [path.name for path in self.examples],
            }
        )

    async def example(self, request: Request) -> Response:
        """GET /api/examples/NUMBER: an image file, which the page then sends as if it had been dropped."""
        number = request.path_params["number"]
        if number >= len(self.examples):
            raise HTTPException(404, f"There are {len(self.examples)} examples, and none has the number {number}.")
        if not self.examples[number].is_file():
            raise HTTPException(404, f"The example {self.examples[number].name} is no longer there.")
        return FileResponse(self.examples[number], media_type="application/octet-stream")

    async def predict(self, request: Request) -> Response:
        """POST /api/predict?name=FILE, an image file as the body: what was found in it."""
        with self.queue.place():
            try:
                data = await asyncio.wait_for(read_body(request, self.limits), self.limits.seconds)
            except asyncio.TimeoutError as error:  # noqa: UP041  another class before Python 3.11
                raise HTTPException(408, f"The upload took longer than {self.limits.seconds:g} seconds.") from error
            name = request.query_params.get("name", "image")[:MAX_NAME]
            return JSONResponse(await self.queue.run(lambda: self.look(name, data)))

    def look(self, name: str, data: bytes) -> dict:
        image, remarks = decode(data, self.limits, self.model.values)
        start = time.perf_counter()
        try:
            found = self.model.detect(image)
            seconds = time.perf_counter() - start
            step = shown_step(found.size)
            shown = picture(image, step)
        except (OSError, ValueError, cv2.error) as error:
            raise HTTPException(422, f"This image cannot be looked at: {error}") from error
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "out of memory" not in str(error):
                raise
            raise HTTPException(507, "The memory is too small for this image: make it smaller.") from error
        if self.model.most is not None and len(found) >= self.model.most:
            remarks.append(
                f"The model stops at {self.model.most} instances per image, and has reached them: there may be more. "
                "Start the server with a larger TEST.DETECTIONS_PER_IMAGE."
            )
        if step > 1:
            remarks.append(f"The image is shown at 1/{step} of its size; everything is measured at its full size.")
        result = Result(name, found, *shown, step)
        self.results.add(result)
        masks: Sequence = found.masks or [None] * len(found)
        return {
            "token": result.token,
            "name": name,
            "size": list(found.size),
            "step": step,
            "seconds": seconds,
            "remarks": remarks,
            "instances": [
                {"class": kind, "score": score, "box": box, "counts": mask and mask["counts"]}
                for kind, score, box, mask in zip(
                    found.classes.tolist(), found.scores.tolist(), found.boxes.tolist(), masks, strict=True
                )
            ],
        }

    async def picture(self, request: Request) -> Response:
        """GET /api/results/TOKEN/picture: the image as it was read, upright, of a kind that every browser shows."""
        result = self.results.get(request.path_params["token"])
        return Response(result.picture, media_type=result.media_type)

    def measurements(self, request: Request) -> Response:
        """GET /api/results/TOKEN/measurements?thresholds=...: the rows of the table (see choice.py)."""
        _, settings, indices, left = self.chosen(request)
        rows = measure_shown(left, self.model.class_names, settings.pixel_size)
        return JSONResponse(table(rows, indices, left.boxes, settings))

    def measurements_csv(self, request: Request) -> Response:
        """GET /api/results/TOKEN/measurements.csv?thresholds=...: the same as a file."""
        name, settings, _, left = self.chosen(request)
        if left.masks is None:
            raise HTTPException(409, "Instances are measured by their masks, but this model finds boxes only.")
        return Response(as_csv(left, self.model.class_names, settings, name), media_type="text/csv; charset=utf-8")

    def chosen(self, request: Request) -> tuple[str, PageSettings, list[int], Detections]:
        """(name of the image, what is set, indices of the instances that are left, these)."""
        result = self.results.get(request.path_params["token"])
        settings = PageSettings.from_query(request.query_params, len(self.model.class_names))
        return result.name, settings, *settings.left(result.found)


async def read_body(request: Request, limits: Limits) -> bytes:
    """Raises HTTPException 413 for more than the limit, before all of it has come, and 400 for nothing."""
    too_large = HTTPException(
        413,
        f"The file is larger than {limits.megabytes:g} MB: make it smaller, or start the server with a larger "
        "--max-mb.",
    )
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated) > limits.bytes:
        raise too_large
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limits.bytes:
            raise too_large
    if not data:
        raise HTTPException(400, "The file is empty: choose another.")
    return bytes(data)


def make_app(model: Model, limits: Limits, examples: Sequence[Path] = (), names: Iterable[str] = ()) -> ASGIApp:
    """
    The whole page as an ASGI application.

    Args:
        examples: image files that may be tried with a button.
        names: of this machine, under which the page may be opened (see ``HostCheck``).
    """
    page = Page(model, limits, examples)
    app = Starlette(
        routes=[
            Route("/", lambda request: FileResponse(PAGE / "index.html")),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/api/model", page.about),
            Route("/api/examples/{number:int}", page.example),
            Route("/api/predict", page.predict, methods=["POST"]),
            Route("/api/results/{token}/picture", page.picture),
            Route("/api/results/{token}/measurements", page.measurements),
            Route("/api/results/{token}/measurements.csv", page.measurements_csv),
        ],
        exception_handlers={HTTPException: refused, Exception: failed},
    )
    return HostCheck(app, names)


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Something failed that should not have: the server's terminal says what."}, 500)
