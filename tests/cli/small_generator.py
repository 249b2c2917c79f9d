"""The options that load a tiny generator, for tests of the verbs that write about pictures."""

from __future__ import annotations

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"
OPT = ["--generator", str(GOLDEN / "blip2_caption_opt_tiny.pth"), "--language-model", str(GOLDEN / "opt")]
