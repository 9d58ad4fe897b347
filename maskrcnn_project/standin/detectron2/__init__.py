"""
A stand-in for Detectron2's Mask R-CNN family: its public names, config keys, weights and numbers, in code of its own.

It answers to ``import detectron2`` only where the real package is not installed (see ``maskrcnn_project.provider``).
"""

if __name__ != "detectron2":
    raise ImportError(
        f"The stand-in can only be imported as 'detectron2', but was imported as {__name__!r}: write "
        "'import maskrcnn_project' first and 'import detectron2' after it."
    )

from detectron2.utils.env import setup_environment

setup_environment()

# The last upstream version whose public interface this follows; the local label says that it is not upstream.
__version__ = "0.6+standin"

__all__ = ["setup_environment"]
