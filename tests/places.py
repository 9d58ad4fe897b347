"""Where the repository lies, and the photographs of nuclei that may lie beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NUCLEI = ROOT.parent / "shared" / "data" / "nuclei"
