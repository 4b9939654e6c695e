"""Run every benchmark of this folder: ``python -m benchmarks.run [NAME …]``.

Without names all are run, and results.json and results.md beside this file are written after each, so that an
interrupted run keeps what it measured. With names, those are run and only printed.
"""

import argparse
import importlib
import json
import os
import pkgutil
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch

import benchmarks
from benchmarks import Row

HERE = Path(__file__).parent


def main() -> None:
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "run"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure what is fast, and print it.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"only these, of: {', '.join(known)}")
    names = parser.parse_args().names
    if unknown := set(names) - set(known):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    results: dict[str, Any] = {"machine": machine(), "benchmarks": {}}
    for name in names or known:
        module = importlib.import_module(f"benchmarks.{name}")
        question = (module.__doc__ or name).strip().splitlines()[0]
        rows = module.measure()
        results["benchmarks"][name] = {"question": question, "rows": [asdict(row) for row in rows]}
        print("\n".join(table(question, rows)), flush=True)
        if not names:
            write(results)


def machine() -> dict[str, Any]:
    """On what the times were measured."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(question: str, rows: list[Row]) -> list[str]:
    """A benchmark as lines of Markdown."""
    lines = [f"\n### {question}\n", "| | median | fastest – slowest | ratio | |", "|---|---:|---:|---:|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        spread = f"{duration(row.fastest)} – {duration(row.slowest)}"
        lines.append(f"| {row.what} | {duration(row.median)} | {spread} | {ratio} | {row.note} |")
    return lines


def duration(seconds: float) -> str:
    """A time in a unit that suits it.

    >>> duration(0.0123), duration(2.5)
    ('12.3 ms', '2.50 s')
    """
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def write(results: dict[str, Any]) -> None:
    """Store the results for programs and for people."""
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    where = results["machine"]
    lines = [
        "# Benchmarks\n",
        f"Measured on {where['date']}: {where['processor']}, {where['cores']} cores"
        f"{', ' + where['gpu'] if where['gpu'] else ''}; PyTorch {where['torch']}, {where['threads']} threads.",
        "A ratio compares with the nearest line above that has 1.00, round by round: it is the median of the rounds' "
        "ratios, not the ratio of the medians. `make bench` measures again.",
        "Each heading is the question of a module of `benchmarks/`, whose docstring says how it is measured. The bound "
        "is the line of 1.00 above: what only noise can beat.",
    ]
    for benchmark in results["benchmarks"].values():
        lines += table(benchmark["question"], [Row(**row) for row in benchmark["rows"]])
    (HERE / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
