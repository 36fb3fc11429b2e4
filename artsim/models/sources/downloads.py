"""Downloads of weights: whether they are possible, and clear errors where they are not."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artsim.datatypes import ExtractorSpec
from artsim.errors import ModelError

_HUB_TIMEOUT_S = 5.0


@contextmanager
def weights_errors(spec: ExtractorSpec, source: str) -> Iterator[None]:
    """Turn the libraries' errors about weights into one line with the next step."""
    levels = {name: logging.getLogger(name).level for name in (None, "timm", "huggingface_hub")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the error below says it in one line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ModelError:
        raise
    except Exception as error:
        kind, _, where = source.partition(":")
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if kind == "hub":
            raise ModelError(_how_to_get(spec, where)) from error
        if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
            raise ModelError(
                f"the weights in {where!r} are damaged, or hold pickled code besides tensors, "
                "which artsim never runs; get them as .safetensors, or save their state_dict alone"
            ) from error
        if kind == "file":
            raise ModelError(
                f"the weights in {where!r} do not fit {spec.network}: {reason}"
            ) from error
        raise ModelError(f"cannot build {spec.network}: {reason}") from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def check_reachable(spec: ExtractorSpec, hub_id: str) -> None:
    """Try the hub once, briefly; otherwise the libraries would retry for most of a minute."""
    import huggingface_hub as hub

    if not hub_id or cached_weights(hub_id):
        return
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(hub_id, "config.json"), timeout=_HUB_TIMEOUT_S)
    except hub.errors.HfHubHTTPError:
        return  # the hub answered: the libraries report what is wrong with the weights
    except Exception as error:  # depends on the hub's HTTP client
        raise ModelError(_how_to_get(spec, hub_id)) from error


def cached_weights(hub_id: str) -> list[Path]:
    """Return the files of weights of a model that were downloaded, of all its versions."""
    from huggingface_hub import constants, file_download

    folder = file_download.repo_folder_name(repo_id=hub_id, repo_type="model")
    snapshots = Path(constants.HF_HUB_CACHE, folder, "snapshots")
    endings = (".safetensors", ".bin", ".pth", ".pt")
    return [file for file in sorted(snapshots.glob("*/*")) if file.suffix in endings]


def _how_to_get(spec: ExtractorSpec, hub_id: str) -> str:
    return (
        f"{spec.network} needs a download and the model hub cannot be reached; run "
        f"'hf download {hub_id}' on a machine that is online and copy its cache here, or pass "
        f"--weights FILE; lite0 works offline"
    )
