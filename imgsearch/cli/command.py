"""Defines a verb of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One verb of the command line.

    ``summary`` is its line in ``imgsearch --help`` (`verb_table` repeats it, so that the help loads no verb).
    ``configure`` adds its arguments to a parser; ``--library`` and ``--json`` are not added by themselves. ``run`` does
    the work and returns the exit code: 0 ok, 1 nothing found, 2 usage, 3 done but some images failed, 4 another error.
    ``run`` may raise ImgsearchError; main() prints its message and hint and exits with its code. A verb with verbs of
    its own has None, and each of these names its own in its arguments: ``place``, "module:function". ``words``: the
    verb's other arguments are free text, whose words may begin with a minus.
    """

    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int] | None = None
    words: bool = False
