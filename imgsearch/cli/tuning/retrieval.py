"""`imgsearch tune --task retrieval`."""

from __future__ import annotations

import argparse

from imgsearch.errors import UsageError


def tune_retrieval(arguments: argparse.Namespace) -> int:
    """Train the part of a retrieval model that ``--train`` names. Returns the exit code."""
    raise UsageError("--task retrieval is not there yet", "")
