"""Search in the browser: a page and a JSON interface, safe to leave running."""

from artsim.server.app import make_app
from artsim.server.museum import Museum
from artsim.server.settings import Limits

__all__ = ["Limits", "Museum", "make_app"]
