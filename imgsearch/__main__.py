"""The `imgsearch` command, also as `python -m imgsearch`. It listens to Ctrl-C before it imports anything else."""

import contextlib
import gc
import os
import signal
import sys


def main() -> int:
    """The command line; returns the exit code."""
    from imgsearch.cli import main as run

    code = run()
    # At its end Python looks for circles of objects, none of which matters: 0.4 s of CPU where torch is imported.
    gc.freeze()
    return code


def _leave(number: int, frame: object) -> None:
    with contextlib.suppress(OSError):  # it is closed
        os.write(2, b"imgsearch: stopped\n")
    os._exit(128 + number)


# Nothing is open while imports are under way, and a KeyboardInterrupt would be a traceback, or get lost in a callback
# of the import system. It is set here, because main() is called later. Under nohup Ctrl-C is ignored, and stays so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)

if __name__ == "__main__":
    sys.exit(main())
