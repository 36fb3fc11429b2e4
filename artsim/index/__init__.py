"""The search index of a tap: unit vectors compared by inner product (cosine), and their map.

Exact as long as that is fast enough; beyond, short codes name candidates whose exact cosines put
them in order. What an index was built from is stored next to it; one that is older than its vectors
is never searched. FAISS is loaded when one of the names is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
