"""Search in the browser: a page and a JSON interface, safe to leave running."""

from artsim.server.app import make_app
from artsim.server.connections import configure
from artsim.server.guard import Guard, Limits
from artsim.server.museum import Museum
from artsim.server.processes import Processes

__all__ = ["Guard", "Limits", "Museum", "Processes", "configure", "make_app"]
