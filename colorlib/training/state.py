"""What a training run keeps on disk, so that it can be killed at any moment and go on as if it had not been.

A run's folder holds ``state.safetensors`` (weights, optimiser, step), ``history.csv`` (a row for each validation),
``model.safetensors`` (the checkpoint to colour with) and, where TensorBoard is installed, its curves in
``colorlib-curves``. Every file of ours appears whole or not at all, and nothing in the folder is removed unasked.
"""

import hashlib
import json
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from colorlib.errors import ColorlibError
from colorlib.files import atomic_write, read_rows, write_rows
from colorlib.models.checkpoints import find_checkpoint
from colorlib.training.config import TrainingConfig

Row = dict[str, float]
COLUMNS = ("step", "train_loss", "validation_loss", "validation_accuracy")  # of the history
ADVICE = "name another out_dir, or give --restart to discard that run"
NOT_LEARNT = ("out_dir", "device", "compile", "checkpoint_minutes")  # settings that do not decide what is learnt


class RunState:
    """The state of a run: what it has learnt, how far it is, and its history.

    ``photos`` is a fingerprint of what is trained on: other photos would give other bins. ``batch_norm_groups`` is into
    how many parts a batch falls for batch norm, see `colorlib.parallel`. With ``write=False`` nothing is written: of
    several processes only the first writes.
    """

    def __init__(self, out: Path, config: TrainingConfig, photos: str, batch_norm_groups: int = 1, write: bool = True):
        self.state, self.csv, self.curves = out / "state.safetensors", out / "history.csv", out / "colorlib-curves"
        self.checkpoint = out / "model.safetensors"
        self.settings = {k: v for k, v in asdict(config).items() if k not in NOT_LEARNT}
        if config.teacher:  # what it knows counts, not where it lies
            teacher = find_checkpoint(config.teacher).read_bytes()
            self.settings["teacher"] = hashlib.sha256(teacher).hexdigest()
        self.photos, self.batch_norm_groups, self.write = photos, batch_norm_groups, write
        self.history: list[Row] = []

    def discard(self) -> None:
        """Forget an earlier run in the same folder: its own files are removed, and no others."""
        if not self.write:
            return
        for path in (self.state, self.csv, self.checkpoint, *self.curves.glob("events.out.tfevents.*")):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # it was never there, or somebody else keeps something in it
            self.curves.rmdir()

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        losses: Sequence[Tensor],
        kept: nn.Module | None = None,
    ) -> None:
        """Keep everything after ``step`` steps; ``losses`` are those since the last row of the history.

        ``kept`` is the running average of the weights, where one is kept beside the weights themselves.
        """
        if not self.write:
            return
        tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
        if kept is not None and kept is not model:
            tensors |= {f"average.{k}": v.contiguous() for k, v in kept.state_dict().items()}
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).contiguous() for k, v in values.items()}
        if losses:
            tensors["losses"] = torch.stack(list(losses))
        metadata = {"step": str(step), "settings": json.dumps(self.settings), "photos": self.photos}
        metadata |= {"batch_norm_groups": str(self.batch_norm_groups)}
        with atomic_write(self.state) as partial:
            save_file(tensors, partial, metadata)

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, kept: nn.Module | None = None
    ) -> tuple[int, list[Tensor]]:
        """Fill network, optimiser and running average; returns the steps done and the losses since the
        last row of the history: none of either in an empty folder.

        Raises:
            ColorlibError: if the state is damaged or belongs to another run, or if there is none but files that this
                run would replace.
        """
        if not self.state.exists():
            for path in (self.csv, self.checkpoint):
                if path.exists():
                    raise ColorlibError(f"{path} is of another run and would be replaced: {ADVICE}")
            return 0, []
        try:
            with safe_open(self.state, framework="pt") as file:
                metadata = file.metadata() or {}
            tensors = load_file(self.state)
        except (SafetensorError, OSError) as error:
            raise ColorlibError(f"{self.state} is damaged ({error}): {ADVICE}") from error
        self._check(metadata)
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        if kept is not None and kept is not model:
            kept.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("average.")})
        values: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                values.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": values})
        step = int(metadata["step"])
        self.history = [row for row in self._read() if row["step"] <= step]  # what came later is done again
        device = next(model.parameters()).device
        return step, list(tensors["losses"].to(device)) if "losses" in tensors else []

    def _check(self, metadata: dict[str, str]) -> None:
        defaults = {one.name: one.default for one in fields(TrainingConfig)}  # of settings that it is too old to know
        theirs = {k: defaults[k] for k in self.settings} | json.loads(metadata.get("settings", "{}"))
        differ = [key for key in {**theirs, **self.settings} if theirs.get(key) != self.settings.get(key)]
        if differ:
            raise ColorlibError(f"{self.state} is of a run with other settings ({', '.join(differ)}): {ADVICE}")
        if metadata.get("photos") != self.photos:
            raise ColorlibError(f"the training photos are not those that {self.state} was trained on: {ADVICE}")
        if metadata.get("batch_norm_groups") != str(self.batch_norm_groups):
            raise ColorlibError(
                f"{self.state} was trained by {metadata.get('batch_norm_groups')} processes, not "
                f"{self.batch_norm_groups}, and on CPUs batch norm depends on their number: go on with as many, or "
                "start again"
            )

    def log(self, row: Row) -> None:
        """Add a row to the history: to the file, which is replaced as a whole, and to TensorBoard's curves."""
        self.history.append(row)
        if not self.write:
            return
        write_rows(self.csv, COLUMNS, self.history)
        if self._board:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name.replace("_", "/", 1), value, int(row["step"]))
            self._board.flush()

    @cached_property
    def _board(self) -> Any:
        """What writes TensorBoard's curves from the first row logged on; None without it: the CSV has the same."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(str(self.curves), purge_step=int(self.history[-1]["step"]))

    def _read(self) -> list[Row]:
        if not self.csv.exists():
            return []
        try:
            rows = read_rows(self.csv)
            if rows and set(rows[0]) != set(COLUMNS):
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
            whole = [row for row in rows if not {None, ""} & set(row.values())]  # a line may have been cut short
            return [{k: int(v) if k == "step" else float(v) for k, v in row.items()} for row in whole]
        except ValueError as error:
            raise ColorlibError(f"{self.csv} is damaged or was saved otherwise ({error}): {ADVICE}") from error


class Interruption:
    """While it is entered, Ctrl-C and a scheduler's SIGTERM wait until the step is done: then ``requested`` is true.

    A second Ctrl-C interrupts at once. What was ignored stays ignored: a shell starts the background commands of a
    script so, in order that Ctrl-C reaches only what is in front.

    >>> with Interruption() as interruption:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interruption.requested
    True
    """

    def __enter__(self) -> "Interruption":
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread listen to signals
            heeded = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._request) for number in heeded}
        return self

    def _request(self, number: int, stack: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
