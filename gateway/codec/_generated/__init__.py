"""Message classes, generated from `schemas/`; never edited by hand."""
