"""Why pictures match: which of their regions made the score. Torch is loaded where it is needed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
