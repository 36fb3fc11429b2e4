"""The recipes, each a module that you read from top to bottom, and `train`, which runs one."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
