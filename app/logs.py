"""How every process of Locuscope writes to its log: one line for each event, on stderr."""

from __future__ import annotations

import logging

#: What tells of each of its own steps; only its warnings are of interest here.
TALKATIVE = ("celery", "kombu", "gunicorn", "werkzeug")


def set_up_logs(process: str) -> None:
    """Sets up logging for this process and the children that it forks.

    Args:
        process: Its name in each line.
    """
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s {process:<6} %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
