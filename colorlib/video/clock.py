"""One clock for all streams of a film, that begins at 0 and runs forward, whatever the file says.

Broadcasts start hours late, joined recordings jump, and damaged files repeat a time or step back. Where a clock jumps,
all streams are moved by the same amount, so that sound and picture stay together; what remains is mended one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import av

Item = TypeVar("Item")
OVERLAP = 0.1  # seconds that a stream may step back without having a new clock; FFmpeg's own tool allows as much
STUCK = 4  # so many equal times in a row are no hiccup: the clock stands still


@dataclass
class Position:
    """Where a stream is: the offset of its clock, and when its next packet is expected, now and one packet ago."""

    offset: float
    expected: float
    before: float


class Clock:
    """Gives packets their times on the common clock, in the order in which they stand in the file.

    ``start`` (seconds) is when the file's own clock begins. ``gap`` is the longest pause, in seconds, that is believed:
    endless in files whose index knows better, some seconds in broadcasts, whose clock jumps both ways.

    >>> clock = Clock(start=40000.0)
    >>> [round(clock.shift(0, time, duration=1.0) + time, 3) for time in (40000.0, 40001.0, 3.0, 4.0)], clock.jumps
    ([0.0, 1.0, 2.0, 3.0], 1)
    """

    def __init__(self, start: float = 0.0, gap: float = inf):
        self.gap = gap
        self.offsets = [-start]
        self.streams: dict[int, Position] = {}
        self.end = 0.0
        self.jumps = 0

    def mend(self, packet: "av.Packet[Any]") -> None:
        """Move a packet's times onto the common clock; times that are missing stay so."""
        base, stamp = packet.time_base, packet.dts if packet.dts is not None else packet.pts
        if not base or stamp is None or packet.is_discard:
            offset = self.offsets[0]
        elif packet.stream.type not in ("video", "audio"):  # few and far between: nothing says when the next is due
            offset = min(self.offsets[-3:], key=lambda offset: abs(float(stamp * base) + offset - self.end))
        else:
            overlap = OVERLAP if packet.dts is not None else 1.0  # without decoding times, pictures come out of order
            offset = self.shift(packet.stream.index, float(stamp * base), float((packet.duration or 0) * base), overlap)
        ticks = round(offset / base) if base else 0
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks

    def shift(self, stream: int, time: float, duration: float = 0.0, overlap: float = OVERLAP) -> float:
        """What to add to the time of a stream's next packet, all in seconds."""
        here = self.streams.get(stream)
        if here is None:
            offset = min(self.offsets[-3:], key=lambda offset: abs(time + offset - self.end))
        else:
            offset = self._choose(here, time, overlap)
        expected = time + offset + duration
        self.streams[stream] = Position(offset, expected, here.expected if here else expected)
        self.end = max(self.end, expected)
        return offset

    def _choose(self, here: Position, time: float, overlap: float) -> float:
        """The clock a stream had, if it goes on with it; else one that another stream already has; else a new one."""
        if -overlap <= time + here.offset - min(here.expected, here.before) and (
            time + here.offset - here.expected <= self.gap
        ):
            return here.offset
        others = [offset for offset in self.offsets[-3:] if offset != here.offset]
        nearest = min(others, key=lambda offset: abs(time + offset - here.expected), default=inf)
        if abs(time + nearest - here.expected) <= 1:
            return nearest
        self.jumps += 1
        self.offsets.append(max(self.end, here.expected) - time)
        return self.offsets[-1]


class Growing(Generic[Item]):
    """Times of one stream, in whole ticks, that grow from each item to the next; ``mended`` counts those changed.

    One item is held back: a time that is later than the next one was wrong, and is put between its neighbours. A time
    that is missing comes ``step`` after the last. Times that repeat or step back a little are squeezed in, so that
    what follows is right again; where the clock stands still, time goes on by steps.

    >>> times = Growing[str](step=10)
    >>> stamps = [0, 10, 10, 30, 90, 50, None, 70]
    >>> [time for stamp in stamps for time, _ in times.push(stamp, "")] + [time for time, _ in times.flush()]
    [0, 10, 11, 30, 40, 50, 60, 70]
    >>> times.mended
    2
    """

    def __init__(self, step: int):
        self.step = max(1, step)
        self.last: int | None = None
        self.held: tuple[int, Item] | None = None
        self.stuck = 0
        self.mended = 0

    def push(self, stamp: int | None, item: Item) -> Iterator[tuple[int, Item]]:
        """Take in the next item, and give what is ready."""
        if self.held is None:
            self.held = (0 if stamp is None else stamp), item
            return
        time, held = self.held
        stamp = time + self.step if stamp is None else stamp
        if time > stamp and (self.last is None or stamp > self.last + 1):
            time = stamp - self.step if self.last is None else (self.last + stamp) // 2
            self.mended += 1
        yield self._release(time, held)
        self.held = stamp, item

    def flush(self) -> Iterator[tuple[int, Item]]:
        """Give the last item."""
        if self.held is not None:
            yield self._release(*self.held)
            self.held = None

    def _release(self, time: int, item: Item) -> tuple[int, Item]:
        if self.last is not None and time <= self.last:
            self.stuck += 1
            self.mended += 1
            time = self.last + (self.step if self.stuck > STUCK else max(1, self.step // 10))
        else:
            self.stuck = 0
        self.last = time
        return time, item
