"""What a user may call "the images": a file, a folder, a pattern, or several of them."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from maskrcnn_project.files import IMAGE_SUFFIXES


def expand_inputs(inputs: Iterable[str]) -> list[Path]:
    """
    Image files named by ``inputs``, each once, in order; a folder gives its images at any depth, sorted.

    Raises:
        FileNotFoundError: an input that names nothing, or nothing that is an image.
    """
    files: dict[Path, None] = {}
    for entry in inputs:
        path = Path(entry).expanduser()
        if path.is_dir():
            found = sorted(f for f in path.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file())
            if not found:
                raise FileNotFoundError(f"The folder {entry} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
        elif path.is_file():
            found = [path]
        else:
            found = sorted(Path(f) for f in glob.glob(str(path), recursive=True) if Path(f).is_file())
            if not found:
                raise FileNotFoundError(f"{entry} is no file and no folder, and as a pattern it matches nothing.")
        files.update(dict.fromkeys(found))
    return list(files)


def common_root(files: list[Path]) -> Path:
    """The deepest folder above all ``files``: results are laid out below it as the inputs were."""
    parents = [f.absolute().parent for f in files]
    root = parents[0]
    while any(root != p and root not in p.parents for p in parents):
        root = root.parent
    return root
