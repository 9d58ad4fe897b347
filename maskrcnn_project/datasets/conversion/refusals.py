"""What an error costs: within ``object_at`` one object, within ``image_at`` one image, never the conversion."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import AmbiguousImageError, ImageFolder
from maskrcnn_project.errors import DatasetError

# Why something is left out, to be followed by the sentence that tells more.
OBJECT = "object that cannot be converted"
SHAPE = "shape that cannot be read"
IMAGE = "image or annotation file that cannot be used"


class AnnotatedTwiceError(DatasetError):
    """A second annotation file is about an image that has one."""


class Refusals:
    """
    Counts what cannot be converted, and remembers the images that are left out for it.

    Attributes:
        left_out: what was left out, with where and why.
        current: the image that the block of ``image_at`` is about, once it is known.
    """

    def __init__(self, images: ImageFolder) -> None:
        self.images = images
        self.left_out = Counts()
        self.current: str | None = None
        self._refused: set[str] = set()  # images whose annotations cannot be used
        self._doubtful: set[str] = set()  # images that are so, unless an annotation file is about them
        self._incomplete: set[str] = set()  # images that an object was left out of

    @contextmanager
    def image_at(self, stem: str = "") -> Iterator[None]:
        """
        What one annotation file says of its image. A DatasetError in the block is counted and leaves the image out,
        with its objects: without its annotations it would be taken for background.

        Args:
            stem: the path without suffix that the image should have. Where the block opens no image, those of that
                name are left out, unless another annotation file is about them.
        """
        self.current = None
        try:
            yield
        except AnnotatedTwiceError as error:
            self.left_out.refuse(IMAGE, error)
        except AmbiguousImageError as error:
            self.left_out.refuse(IMAGE, error)
            self._doubtful.update(error.file_names)
        except DatasetError as error:
            self.left_out.refuse(IMAGE, error)
            if self.current is not None:
                self._refused.add(self.current)
            elif stem:
                self._doubtful.update(self.images.alike(stem))
        finally:
            self.current = None

    @contextmanager
    def object_at(self, reason: str = OBJECT) -> Iterator[None]:
        """One object of the image that was opened last: a DatasetError in the block is counted and leaves it out."""
        before = self.left_out.refusals
        with self.left_out.leaving_out(reason):
            yield
        if self.left_out.refusals > before and self.current is not None:
            self._incomplete.add(self.current)

    def unusable_images(self, annotated: Collection[str], with_objects: Collection[str]) -> set[str]:
        """
        The images that would be taken for background though they are none; those that lost all their objects are
        counted.

        Args:
            annotated: the images that an annotation file is about.
            with_objects: the images that an object was found in.
        """
        unusable = self._refused | self._doubtful.difference(annotated)
        empty = self._incomplete.difference(with_objects) - unusable
        for name in sorted(empty):
            self.left_out.add("image none of whose objects can be converted", name)
        return unusable | empty
