"""python -m bench.pictures: two photographs for the figures that one can touch, small and grey.

From scikit-image, both CC0, into book/data/pictures.json: the brick wall of chapter 6, 96×96 of its
pixels, and a man with a camera, 65×65, for chapter 1's receptive fields.
"""

import base64
import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import skimage
from skimage import data

from bench.machine import today

PATH = Path(__file__).resolve().parent.parent / "book" / "data" / "pictures.json"
HEAD = 1080  # bytes before the pixels; a multiple of 3, so that base64 starts anew with them


def smaller(name: str, by: int) -> np.ndarray:
    """A picture of scikit-image, each pixel the average of by×by: (H / by, W / by) bytes."""
    full = getattr(data, name)().astype(float)
    height, width = (side // by for side in full.shape)
    blocks = full.reshape(height, by, width, by)
    return blocks.mean((1, 3)).round().astype(np.uint8)


def pictures() -> dict[str, np.ndarray]:
    """{name: (side, side) bytes, 0 for black}."""
    return {"brick": smaller("brick", 2)[:96, :96], "camera": smaller("camera", 4)[5:70, 22:87]}


def bmp(picture: np.ndarray) -> bytes:
    """A file that a browser shows and a script reads: rows from the top, a byte for each pixel."""
    side = len(picture)
    padded = np.pad(picture, ((0, 0), (0, -side % 4)))  # rows end on a multiple of four bytes
    size = HEAD + padded.size
    head = struct.pack("<2sIII", b"BM", size, 0, HEAD)
    head += struct.pack("<IiiHHIIiiII", 40, side, -side, 1, 8, 0, padded.size, 0, 0, 256, 0)
    greys = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    return (head + greys).ljust(HEAD, b"\0") + padded.tobytes()


def main() -> int:
    origin = {
        "command": "python -m bench.pictures",
        "date": today(),
        "scikit-image": skimage.__version__,
    }
    kept = {
        name: {
            "source": f"skimage.data.{name}",
            "license": "CC0",
            "side": len(picture),
            "bmp": base64.b64encode(bmp(picture)).decode("ascii"),
        }
        for name, picture in pictures().items()
    }
    text = json.dumps({"provenance": origin, "pictures": kept}, indent=0) + "\n"
    PATH.write_text(text, encoding="utf-8")
    print(f"written: {os.path.relpath(PATH)}, {len(text):,d} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
