"""How far a prediction is, in numbers and in words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from alphagenome.data.genome import Interval

from app.inference.jobs import JobStatus
from app.inference.windows import Window
from models.card import ModelCard

State = Literal["ready", "running", "queued", "failed"]


@dataclass(frozen=True)
class WindowState:
    """One window of the region that was asked for.

    Attributes:
        interval: The bins that are taken from it.
        state: ``ready`` means that its values are stored.
        error: Why it failed, as a sentence.
    """

    interval: Interval
    state: State
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the prediction of a region is.

    Attributes:
        windows: Every window of the region, from left to right.
        message: In words, e.g. ``Computing, window 3 of 8, about 4 s``; empty when all is ready.
        ready: Changes whenever other windows are ready than before.
        eta_seconds: Estimated time until all is ready; None where nothing is known yet.
        error: Why nothing moves (no broker, no worker, too much asked), as a sentence; may be
            empty. What is stored is shown all the same.
    """

    windows: tuple[WindowState, ...]
    message: str
    ready: str
    eta_seconds: float | None = None
    error: str = ""

    def count(self, state: State) -> int:
        """Returns how many windows are in a state."""
        return sum(window.state == state for window in self.windows)

    @property
    def total(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def done(self) -> int:
        """Number of windows that are ready."""
        return self.count("ready")

    @property
    def running(self) -> int:
        """Number of windows that are being computed."""
        return self.count("running")

    @property
    def failed(self) -> int:
        """Number of windows that failed."""
        return self.count("failed")

    @property
    def finished(self) -> bool:
        """Whether asking again would change nothing."""
        return self.done + self.failed == self.total


def window_state(window: Window, status: JobStatus) -> WindowState:
    """Returns where a window stands whose job stands there."""
    states: dict[str, State] = {"done": "ready", "running": "running", "failed": "failed"}
    return WindowState(window.use, states.get(status.state, "queued"), status.error)


def digest(card: ModelCard, states: Iterable[WindowState]) -> str:
    """Returns what changes whenever other windows are ready (``Progress.ready``)."""
    places = [
        (i, s.interval.chromosome, s.interval.start)
        for i, s in enumerate(states)
        if s.state == "ready"
    ]
    return hashlib.sha256(repr((card.id, places)).encode()).hexdigest()[:16]


def message(
    card: ModelCard,
    states: Sequence[WindowState],
    statuses: Sequence[JobStatus],
    eta: float | None,
) -> str:
    """Returns what a person is told while windows are being computed (``Progress.message``)."""
    count = {name: sum(s.state == name for s in states) for name in ("ready", "running", "failed")}
    if not states:
        return (
            f"{card.title} reads {card.input_width:,} bp at once, "
            "and this genome has less than that around here."
        )
    if count["ready"] + count["failed"] == len(states):
        return f"{count['failed']} of {len(states)} windows failed." if count["failed"] else ""
    about = "" if eta is None else f", {duration(eta)}"
    if count["running"]:
        of = f", window {count['ready'] + 1} of {len(states)}" if len(states) > 1 else ""
        return f"Computing{of}{about}"
    ahead = min((s.ahead for s in statuses if s.ahead is not None), default=0)
    behind = f" behind {ahead} other{'s' if ahead > 1 else ''}" if ahead else ""
    return f"Waiting{behind}{about}"


def duration(seconds: float) -> str:
    """Returns a time as people say it."""
    if seconds < 90:
        return f"about {max(math.ceil(seconds), 1)} s"
    return f"about {math.ceil(seconds / 60)} min"
