"""The `imgsearch` command. `verb_table` lists its verbs; other packages add theirs by the entry-point group
``imgsearch.commands``. Only the requested verb is imported, and no verb imports torch before it needs it."""

from __future__ import annotations

from imgsearch.cli.command import Command
from imgsearch.cli.main import main, run

__all__ = ["Command", "main", "run"]
