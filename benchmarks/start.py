"""How long does the shell interface take to show its help, beside a Python that does next to nothing?

Fresh processes, turn by turn: ``python -c "import argparse"`` is the least that any such program costs. PyTorch must
not be imported before it is used (`tests/test_lazy.py`), which alone takes seconds.
"""

import subprocess
import sys
from functools import partial

from benchmarks import Row, race

COMMANDS = {
    'python -c "import argparse"': ["-c", "import argparse"],
    'python -c "import colorlib"': ["-c", "import colorlib"],
    "colorlib --help": ["-m", "colorlib", "--help"],
    'python -c "import torch"': ["-c", "import torch"],
}


def measure() -> list[Row]:
    """Each command as a process of its own, its output thrown away."""
    return race(
        {
            name: partial(subprocess.run, [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            for name, arguments in COMMANDS.items()
        },
        rounds=15,
    )
