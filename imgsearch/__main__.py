"""`python -m imgsearch` is the `imgsearch` command."""

import sys

from imgsearch.cli import main

sys.exit(main())
