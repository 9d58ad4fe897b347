"""
Fonts that have the letters of a text: the one that comes with matplotlib (Latin, Greek, Cyrillic, Arabic, ...), and for
other letters those that are installed. A letter that no font has is written by its number, as U+7EC6.
"""

from __future__ import annotations

import logging
import unicodedata
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

logger = logging.getLogger(__name__)

OWN_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
# Parts of the file names of fonts with many letters, those wanted first; others come after them.
PREFERRED = (
    *("notosanscjk", "notosans-", "notosans", "sourcehansans", "wqy", "wenquanyi", "droidsansfallback"),
    *("arialuni", "msyh", "simhei", "pingfang", "hiragino", "malgun", "nanum", "ipag", "takao", "vlgothic"),
    *("dejavusans", "freesans", "unifont", "symbola", "emoji"),
)
NO_LETTERS = ("lastresort", "adobeblank")  # have a sign for every number, and no letter
MAX_FONTS_ASKED = 1000  # of the installed ones: some machines have many thousands
TRIAL_HEIGHT = 32  # of a letter drawn to see whether there is ink


def runs_of(text: str, height: int) -> list[tuple[ImageFont.FreeTypeFont, str]]:
    """``text`` in pieces, each with a font of ``height`` pixels that has all of its letters."""
    parts: list[tuple[str, str]] = []  # font file, letters
    missing = ""
    for letter in text:
        letter = " " if letter.isspace() else letter
        path = _font_with(letter)
        if path is not None:
            parts.append((path, letter))
        elif not _is_invisible(letter):
            parts.append((str(OWN_FONT), f" U+{ord(letter):04X} "))
            missing += letter
    if missing:
        _tell_missing(missing)
        parts = _with_single_spaces([(path, part) for path, part in parts if len(part) > 1 or not _is_invisible(part)])
    runs = [(path, "".join(part for _, part in run)) for path, run in groupby(parts, key=lambda item: item[0])]
    return [(_font(path, height), part) for path, part in runs] or [(_font(str(OWN_FONT), height), "")]


def _with_single_spaces(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Letters by font without spaces at both ends, and without several in a row."""
    letters = [(path, letter) for path, part in parts for letter in part]
    kept = [item for item, before in zip(letters, [("", " "), *letters], strict=False) if {item[1], before[1]} != {" "}]
    return kept[:-1] if kept and kept[-1][1] == " " else kept


def _is_invisible(letter: str) -> bool:
    """Whether a letter only says how others are drawn: joiners, selectors of a variant, marks of direction."""
    return unicodedata.category(letter) == "Cf" or 0xFE00 <= ord(letter) <= 0xFE0F


@lru_cache(maxsize=4096)
def _font_with(letter: str) -> str | None:
    """The file of a font that has ``letter``, or None."""
    if _has(str(OWN_FONT), letter):
        return str(OWN_FONT)
    if _is_invisible(letter) or unicodedata.category(letter) in ("Cc", "Cs", "Cn"):
        return None
    return next((path for path in system_fonts() if _has(path, letter) and _draws(path, letter)), None)


@lru_cache(maxsize=1)
def system_fonts() -> tuple[str, ...]:
    """The files of installed fonts, those with many letters first."""

    def rank(path: str) -> tuple[int, str]:
        name = Path(path).name.lower().replace(" ", "")
        return next((place for place, part in enumerate(PREFERRED) if part in name), len(PREFERRED)), path

    found = sorted(findSystemFonts(), key=rank)
    return tuple(path for path in found if not any(part in Path(path).name.lower() for part in NO_LETTERS))[
        :MAX_FONTS_ASKED
    ]


def _has(path: str, letter: str) -> bool:
    try:
        return FT2Font(path).get_char_index(ord(letter)) != 0  # 0 is the sign for a missing letter
    except (OSError, RuntimeError):  # a damaged font, or one that is not for this machine
        return False


def _draws(path: str, letter: str) -> bool:
    """Whether the letter has ink in a font: those of colour pictures have none, or not at every height."""
    try:
        return letter.isspace() or _font(path, TRIAL_HEIGHT).getmask(letter).getbbox() is not None
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=64)
def _font(path: str, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, height)


@lru_cache(maxsize=256)  # once for each class, whatever its score
def _tell_missing(letters: str) -> None:
    shown = ", ".join(f"U+{ord(letter):04X}" for letter in dict.fromkeys(letters))
    logger.warning(
        "No font on this machine has the letters %s of a label, which are written by these numbers: install one that "
        "has them, such as Noto Sans CJK or Noto Emoji.",
        shown,
    )
