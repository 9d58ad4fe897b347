"""
The whole public tree of configuration keys, with its default values.

It is the tree of Detectron2 (commit 02b5c4e), so that a YAML file written for it finds every key. The keys
that only models outside this stand-in read are here too (``_defaults_left_out.py``); setting those is refused
when the model or the data is built (``_honoured.py``). Sizes are (height, width) or one side, in pixels,
unless a key says otherwise.
"""

from __future__ import annotations

from detectron2.config._defaults_left_out import add_left_out_defaults
from detectron2.config._defaults_model import add_model_defaults
from detectron2.config._defaults_training import add_training_defaults
from detectron2.config.config import CfgNode as CN

_C = CN()

# The version of the tree itself. Files of versions 0 and 1 are converted when merged (compat.py).
_C.VERSION = 2

add_model_defaults(_C)
add_left_out_defaults(_C)
add_training_defaults(_C)
