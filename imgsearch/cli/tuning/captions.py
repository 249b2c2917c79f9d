"""`imgsearch tune --task captions`."""

from __future__ import annotations

import argparse

from imgsearch.errors import UsageError


def tune_captions(arguments: argparse.Namespace) -> int:
    """Train the part of a generator that ``--train`` names. Returns the exit code."""
    raise UsageError("--task captions is not there yet", "imgsearch tune PAIRS --output DIR tunes the search")
