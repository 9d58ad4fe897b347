"""What was found in the last images, held so that thresholds and units can change without the model."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from maskrcnn_project.masks.detections import Detections

# So many images are held: for a few open tabs, each with a picture of some megabytes.
MAX_HELD = 8


@dataclass(frozen=True)
class Result:
    """
    Attributes:
        name: of the file, as the browser said; text from a stranger.
        picture: the image file that the page shows; ``media_type``: its kind.
        step: the page shows every so-manieth row and column of the image.
    """

    name: str
    found: Detections
    picture: bytes
    media_type: str
    step: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))  # 128 bits: not to be guessed


class Results:
    """The last results by their tokens. The oldest is dropped for a new one."""

    def __init__(self, most: int = MAX_HELD):
        self.most = most
        self.held: OrderedDict[str, Result] = OrderedDict()

    def add(self, result: Result) -> None:
        self.held[result.token] = result
        while len(self.held) > self.most:
            self.held.popitem(last=False)

    def get(self, token: str) -> Result:
        """Raises HTTPException 404 where it is held no more."""
        if token not in self.held:
            raise HTTPException(404, "The server no longer holds this image: drop it again.")
        self.held.move_to_end(token)
        return self.held[token]
