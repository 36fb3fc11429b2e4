"""Similarity search and honest baselines for museum collections.

The names of this package are what users need; nothing heavy is loaded until one is used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
