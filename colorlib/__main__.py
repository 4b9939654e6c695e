"""``python -m colorlib``: the same as the console script ``colorlib``."""

import sys

from colorlib.cli import main

sys.exit(main())
