"""Pictures of a catalog, fetched from the web into a folder that can be embedded."""

from artsim.fetch.addresses import read_addresses
from artsim.fetch.choice import Choice
from artsim.fetch.forecast import Forecast, forecast
from artsim.fetch.plan import FetchSummary
from artsim.fetch.run import fetch_pictures
from artsim.fetch.settings import FetchSettings
from artsim.fetch.single import fetch_picture, fetch_picture_async
from artsim.fetch.status import Outcome, Status

__all__ = [
    "Choice",
    "FetchSettings",
    "FetchSummary",
    "Forecast",
    "Outcome",
    "Status",
    "fetch_picture",
    "fetch_picture_async",
    "fetch_pictures",
    "forecast",
    "read_addresses",
]
