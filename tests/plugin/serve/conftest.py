"""A running server with a model that always finds the same, and requests to it."""

import http.client
import io
import json
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

NAMES = ("cell", "dirt")
BOXES = [(1, 1, 5, 5), (3, 1, 7, 5), (2, 2, 4, 4)]  # XYXY; the second shares 2 x 4 pixels with the first, the third all


def find_three(image: np.ndarray) -> Detections:
    """Two cells of 4 x 4 pixels and, inside the first, dirt of 2 x 2; whatever the image shows."""
    masks = []
    for x1, y1, x2, y2 in BOXES:
        mask = np.zeros(image.shape[:2], bool)
        mask[y1:y2, x1:x2] = True
        masks.append(encode(mask))
    scores = np.array([0.9, 0.6, 0.3], np.float32)
    return Detections(image.shape[:2], np.array(BOXES, np.float32), scores, np.array([0, 0, 1]), masks)


def file_of(width=12, height=8, kind="PNG", **options) -> bytes:
    """An image file, red on the left half and black on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Served:
    """A server on a free port of this machine."""

    host: str
    port: int
    seen: list = field(default_factory=list)  # the images that the model was given

    def ask(self, path, body=None, headers=None) -> Answer:
        """GET, or POST where there is a ``body``."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


@pytest.fixture
def serve():
    """A function that starts a server: ``serve(detect=..., limits=..., examples=..., most=...)``."""
    import uvicorn

    from maskrcnn_project.serve.app import Model, make_app
    from maskrcnn_project.serve.server import listen
    from maskrcnn_project.serve.upload import Limits

    running = []

    def start(detect=find_three, limits=None, examples=(), most=100) -> Served:
        sock = listen("127.0.0.1", 0)
        served = Served(*sock.getsockname())

        def watched(image):
            served.seen.append(image)
            return detect(image)

        model = Model("photos", NAMES, watched, (0.5, 0.5), 0.05, most)
        app = make_app(model, limits or Limits(), examples, ["lab.example"])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        running.append((server, thread, sock))
        return served

    yield start
    for server, thread, sock in running:
        server.should_exit = True
        thread.join(20)
        sock.close()


@pytest.fixture
def image_file():
    return file_of
