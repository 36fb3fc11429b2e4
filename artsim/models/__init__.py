"""Pretrained networks, tapped at any layer. Torch is loaded when one of the names is first used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
