"""Judges from a worker's death what is wrong with the file it was working on."""

from __future__ import annotations

import signal

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.process import WorkerProcess

_FAULT_SHARE = 0.7  # if this share of the time limit was spent computing, the file is at fault


def verdict(process: WorkerProcess, status: int, time_limit_s: float, *, before: bool) -> MediaError | None:
    """The failure of that file; None if it deserves another try, alone and with more memory. ``status``: the exit
    status, negative for a signal. ``before``: whether the file has already killed a worker."""
    if process.overdue or status == -getattr(signal, "SIGALRM", 0):
        # With less computing a slow disk or a busy computer may be at fault, so every run tries again.
        starved = process.computed_s < _FAULT_SHARE * time_limit_s
        why = f"it was stopped after {process.computed_s:.1f} s of computing" if starved else "it was stopped"
        message = f"decoding took longer than {time_limit_s:g} s: {why}"
        return MediaError(message, stage="decode", transient=starved)
    if not before:
        return None
    if status == -getattr(signal, "SIGKILL", 0):
        message = "the system ended the decoder twice over this file, probably for lack of memory"
        return MediaError(message, stage="decode", transient=True)
    return MediaError(f"the decoder crashed twice on this file ({_signal_name(status)})", stage="decode")


def _signal_name(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"exit status {status}"
