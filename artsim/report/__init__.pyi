from .captions import Caption, as_text, file_of, is_url
from .citation import Citation, cite, detail_of, match_figures
from .figures import require_matplotlib, save_curves
from .heat import overlay
from .iiif import manifest, save_manifest
from .inspection import inspection_page
from .lettering import one_line
from .map import draw_pictures, draw_points
from .matches import matches_page
from .pages import save_text
from .previews import TerminalProtocol, beside, encode
from .run import run_page
from .sheet import Tile, contact_sheet, save_sheet
from .spreadsheet import csv_text, matches_csv
from .study import study_page
from .tables import markdown, write_csv
from .thumbnails import data_url, small_copy

__all__ = [
    "Caption",
    "Citation",
    "TerminalProtocol",
    "Tile",
    "as_text",
    "beside",
    "cite",
    "contact_sheet",
    "csv_text",
    "data_url",
    "detail_of",
    "draw_pictures",
    "draw_points",
    "encode",
    "file_of",
    "inspection_page",
    "is_url",
    "manifest",
    "markdown",
    "match_figures",
    "matches_csv",
    "matches_page",
    "one_line",
    "overlay",
    "require_matplotlib",
    "run_page",
    "save_curves",
    "save_manifest",
    "save_sheet",
    "save_text",
    "small_copy",
    "study_page",
    "write_csv",
]
