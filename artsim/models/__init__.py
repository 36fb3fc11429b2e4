"""Pretrained networks, tapped at any layer. ``extractor`` is the door; torch lives here."""
