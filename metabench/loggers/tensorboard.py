"""A run in TensorBoard."""

from __future__ import annotations

import io
import os
import socket
import time
from contextlib import suppress
from typing import Any

from metabench.loggers.base import Logger, Points, parameters_of, values_of
from metabench.records.record import RunRecord

TENSORBOARD_FOLDER = "tensorboard"


class TensorBoardLogger(Logger):
    """Event files in the run's folder.

    They are written here and now: the writer of `torch.utils.tensorboard` does it in a thread, where a full disk cannot
    be caught.
    """

    def start(self) -> None:
        self._folder = self.folder / TENSORBOARD_FOLDER
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = self._folder / name
        self._read()

    @property
    def place(self) -> str:
        return f"'{self.folder / TENSORBOARD_FOLDER}'"

    def finish(self, record: RunRecord) -> None:
        self._add(values_of(record), 0)
        self._write(self._hparams()[2])

    def stop(self, status: str) -> None:
        pass  # event files have nothing for it

    def _read(self) -> Points:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        if not self._folder.exists():
            return set()
        events = EventAccumulator(str(self._folder), size_guidance={"scalars": 0}).Reload()  # 0: all of them
        return {(name, event.step) for name in events.Tags()["scalars"] for event in events.Scalars(name)}

    def _add(self, values: dict[str, float], step: int) -> None:
        from torch.utils.tensorboard.summary import scalar

        self._write(*(scalar(name, value) for name, value in values.items()), step=step)  # type: ignore[no-untyped-call]

    def _hparams(self) -> tuple[Any, Any, Any]:
        """TensorBoard's summaries of what parameters and results there are, of the parameters, and of the end."""
        from torch.utils.tensorboard.summary import hparams

        results = dict.fromkeys((f"score/{self.metric}", "score/half_width"))
        return hparams(parameters_of(self.config), results)  # type: ignore[no-untyped-call,no-any-return]

    def _write(self, *summaries: Any, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(exist_ok=True)
        now, made = time.time(), io.BytesIO()
        events = [Event(wall_time=now, step=step, summary=summary) for summary in summaries]
        if not any(self._folder.iterdir()):
            events[:0] = [Event(wall_time=now, summary=summary) for summary in self._hparams()[:2]]
        size = self._path.stat().st_size if self._path.exists() else 0
        if not size:
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        for event in events:
            RecordWriter(made).write(event.SerializeToString())
        try:
            with self._path.open("ab") as file:
                file.write(made.getbuffer())
        except OSError:
            with suppress(OSError):  # nothing is read beyond half an event
                os.truncate(self._path, size)
            raise
