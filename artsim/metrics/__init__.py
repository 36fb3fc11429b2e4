"""Metrics, and what is fitted to measure them: functions of arrays, without an index or a file.

`artsim.metrics.neighbors` finds exact nearest neighbors. Everything else is here; scikit-learn and
torch are loaded when a name that needs them is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
