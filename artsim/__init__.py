"""Similarity search and honest baselines for museum collections.

The names of this package are what users need; nothing heavy is loaded until one is used.
"""

import os

import lazy_loader

# Threads of torch, FAISS and scikit-learn wait for each other asleep. Beside other programs, those
# that wait busily take the core that the others need: a probe took 27 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
