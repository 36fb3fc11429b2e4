"""Studies of an index and of a run: how well labels are predicted, where that fails, and why."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
