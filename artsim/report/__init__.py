"""What is made for people to look at: pages, contact sheets, maps, spreadsheets, manifests."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
