"""The search index of a tap: unit vectors compared by inner product (cosine), and their map.

Search is exact if that is fast enough; otherwise short codes find candidates, which are ranked by
exact cosines. An index records the vectors it was built from; one older than its vectors is never
searched. FAISS is loaded when one of the names is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
