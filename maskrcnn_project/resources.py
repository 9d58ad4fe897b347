"""Where the configs and dataset descriptions lie: in a source tree beside the package, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SOURCE_ROOT = PACKAGE.parent
# A wheel has no folder beside the package, so setup.py maps each of these into it.
INSTALLED_FOLDERS = {"configs": PACKAGE / "_configs", "datasets": PACKAGE / "_datasets"}


def find_resource(path: str | Path) -> Path:
    """
    The file that ``path`` names: as given (absolute or from the working directory), else among the project's own.

    Raises:
        FileNotFoundError: names the file, every place looked at, and the configs that exist.
    """
    given = Path(path).expanduser()
    candidates = [given]
    if not given.is_absolute():
        candidates.append(SOURCE_ROOT / given)
        if given.parts and given.parts[0] in INSTALLED_FOLDERS:
            candidates.append(INSTALLED_FOLDERS[given.parts[0]].joinpath(*given.parts[1:]))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(c.absolute()) for c in candidates)
    existing = ", ".join(available_configs()) or "none"
    raise FileNotFoundError(f"No file {path} (looked at {looked}). Configs that come with this project: {existing}.")


def available_configs() -> list[str]:
    """The configs that come with the project, as paths that ``find_resource`` takes."""
    for folder in (SOURCE_ROOT / "configs", INSTALLED_FOLDERS["configs"]):
        if folder.is_dir():
            return sorted(f"configs/{f.relative_to(folder).as_posix()}" for f in folder.rglob("*.yaml"))
    return []
