"""When two results of a parity case are the same: tolerances by kind of value."""

import numpy as np


def same_detections(want, got, top=40):
    """Rows are x1 y1 x2 y2 score class mask_area. Near ties may swap: each of the best `top` needs a twin."""
    want = want[np.argsort(-want[:, 4], kind="stable")][:top]
    hit = 0
    for w in want:
        lt, rb = np.maximum(w[:2], got[:, :2]), np.minimum(w[2:4], got[:, 2:4])
        inter = np.clip(rb - lt, 0, None).prod(1)
        union = (w[2:4] - w[:2]).prod() + (got[:, 2:4] - got[:, :2]).prod(1) - inter
        ok = (inter / np.maximum(union, 1e-9) > 0.97) & (np.abs(got[:, 4] - w[4]) < 2e-3) & (got[:, 5] == w[5])
        ok &= np.abs(got[:, 6] - w[6]) <= np.maximum(8, 0.03 * w[6])
        hit += bool(ok.any())
    return hit >= 0.95 * len(want)


def close(key, want, got):
    if want.dtype.kind in "US":
        return want.item() == got.item()
    if key.endswith("dets"):
        return abs(len(want) - len(got)) <= 0.03 * len(want) and same_detections(want, got)
    if want.shape != got.shape:
        return False
    if want.dtype == np.uint8 and want.ndim == 1:  # packed mask bits: a handful of boundary pixels may differ
        return (np.unpackbits(want) != np.unpackbits(got)).mean() < 1e-3
    if key.endswith("img"):  # pixels: one grey level in a few of them
        d = np.abs(want.astype("float64") - got.astype("float64"))
        return d.max() <= 1 and (d > 0).mean() < 5e-3
    if want.dtype.kind in "iub":
        return bool((want == got).all())
    if not want.size:
        return True
    w, g = want.astype("float64"), got.astype("float64")
    if not (np.isnan(w) == np.isnan(g)).all():
        return False
    w, g = np.nan_to_num(w), np.nan_to_num(g)
    if key.endswith(("losses", "grad", "vals")):  # each number by itself
        return bool((np.abs(w - g) <= 5e-3 * np.abs(w) + 1e-6).all())
    if key.endswith("soft"):
        return np.abs(w - g).max() <= 1.01
    return np.abs(w - g).max() <= 1e-3 * max(1e-6, np.abs(w).max())
