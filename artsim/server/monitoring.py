"""Figures of a server for Prometheus: requests and their seconds by route, method and status."""

from __future__ import annotations

from fastapi import FastAPI

from artsim.errors import ModelError


def add_metrics(app: FastAPI) -> None:
    """Count and time requests, and answer ``/metrics`` with the figures.

    Several processes share theirs in the folder ``PROMETHEUS_MULTIPROC_DIR``.

    Raises:
        ModelError: If the library for it is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_fastapi_instrumentator import Instrumentator
    except ImportError as error:
        raise ModelError(
            "--metrics needs a client of Prometheus; install it with pip install 'artsim[metrics]'"
        ) from error
    # Codes are not grouped: 404 is a wrong link, 429 and 503 are too many visitors.
    counted = Instrumentator(should_group_status_codes=False, registry=CollectorRegistry())
    counted.instrument(app, metric_namespace="artsim").expose(app, include_in_schema=False)
