"""How similar two pictures are pixel by pixel: SSIM and RMSE of small gray copies.

They compare pixels at the same position: another photograph, a crop or a mirror image of a work
differs from it, and two dark pictures are similar. They do not separate good retrieval from bad.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

Gray = NDArray[np.uint8]


def ssim(a: Gray, b: Gray) -> float:
    """Compute the structural similarity of two gray pictures, shape (H, W), at least 11 x 11.

    Mean SSIM with the settings of Wang et al. 2004 (doi:10.1109/TIP.2003.819861): a Gaussian window
    of 11 pixels and deviation 1.5, K1 = 0.01, K2 = 0.03. Equal pictures have 1.

    Raises:
        EvaluationError: If scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity
    except ModuleNotFoundError as error:
        raise EvaluationError(
            "SSIM needs scikit-image, which is not installed; pip install 'artsim[train]'"
        ) from error
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]  # it ships no types
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
    )


def rmse(a: Gray, b: Gray) -> float:
    """Compute the root of the mean squared difference of two gray pictures, in levels of 255."""
    return float(np.sqrt(np.square(a.astype(np.float64) - b).mean()))
