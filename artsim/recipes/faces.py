"""Find the face in a portrait with the detector that OpenCV's wheel includes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artsim.datatypes import Box
from artsim.errors import ImageError, TrainingError
from artsim.images import decode, read_bytes

_CASCADE = "haarcascade_frontalface_default.xml"
_SIDE = 512  # pixels of the longest side that is searched
_LEAST = 0.08  # of the shorter side: a smaller face is of someone in the background
_NEIGHBORS = 6  # windows that must agree
_MARGIN = 0.35  # of the face's size that is kept around it: hair, chin, collar


def find_faces(files: dict[int, Path]) -> dict[int, Box]:
    """Find the largest frontal face in each image; images without a face are left out.

    Args:
        files: By key. Files that cannot be decoded have no face.

    Raises:
        TrainingError: If OpenCV is not installed, or lacks the detector.
    """
    try:
        import cv2

        folder = Path(cv2.__file__).parent / "data"
        cascade = cv2.CascadeClassifier(str(folder / _CASCADE))
        if cascade.empty():
            raise ImportError(_CASCADE)
    except (ImportError, AttributeError) as error:
        raise TrainingError(
            "face detection needs OpenCV 4; install it with pip install 'artsim[faces]'"
        ) from error
    found = {}
    for key, file in files.items():
        try:
            picture = decode(read_bytes(file), at_least=lambda width, height: (_SIDE, _SIDE))
        except ImageError:
            continue
        gray = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY)
        scale = min(_SIDE / max(gray.shape), 1.0)
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        least = max(round(_LEAST * min(gray.shape)), 24)
        faces = cascade.detectMultiScale(
            cv2.equalizeHist(gray), 1.1, _NEIGHBORS, minSize=(least, least)
        )
        if len(faces):
            x, y, w, h = max(faces, key=lambda face: face[2] * face[3])
            wide, high = (1 + 2 * _MARGIN) * w, (1 + 2 * _MARGIN) * h
            shown = np.array([x - _MARGIN * w, y - _MARGIN * h, wide, high])
            percent = 100 * shown / [gray.shape[1], gray.shape[0], gray.shape[1], gray.shape[0]]
            x, y, width, height = percent.tolist()
            found[key] = Box(x, y, width, height, percent=True)
    return found
