"""What is drawn for people to look at: contact sheets."""

from artsim.report.sheet import Tile, contact_sheet, save_sheet

__all__ = ["Tile", "contact_sheet", "save_sheet"]
