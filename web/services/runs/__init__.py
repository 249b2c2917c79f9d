"""Runs that the page starts, each in a process of its own: indexing, duplicates, first run."""

from web.services.runs.progress import RunProgress
from web.services.runs.registry import Runs, changes
from web.services.runs.run import Run

__all__ = ["Run", "RunProgress", "Runs", "changes"]
