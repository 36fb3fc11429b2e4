"""CSV and TSV files as a stream of text, and where exactly one of them is broken.

pyarrow reads: it is fast and keeps a constant amount of memory, but it accepts open quotes and NUL
bytes and says little about where a fault is. So a file is checked once before it is read, and only
when that check or pyarrow fails does Python's own reader find the row and the column, and read the
rows that are sound.
"""

from artsim.readers.delimited.decoding import open_packed
from artsim.readers.delimited.file import DelimitedFile, clean, open_delimited
from artsim.readers.delimited.header import column_names

__all__ = ["DelimitedFile", "clean", "column_names", "open_delimited", "open_packed"]
