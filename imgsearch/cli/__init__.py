"""The `imgsearch` command. Its verbs stand in `verb_table`, those of other packages join through the entry-point group
``imgsearch.commands``; only the verb that was asked for is imported, and no verb imports torch before it needs it."""

from __future__ import annotations

from imgsearch.cli.command import Command
from imgsearch.cli.main import main, run

__all__ = ["Command", "main", "run"]
