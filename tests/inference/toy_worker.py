"""Starts a worker that also knows the families of the tests."""

import logging
import sys
from pathlib import Path

import models

models.__path__.append(str(Path(__file__).parent / "families"))

from app.inference import worker  # noqa: E402 - the path must be there first
from app.settings import settings  # noqa: E402

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
worker.STOP_SECONDS = 2.0
worker.HUNG_SECONDS = 12.0
sys.exit(worker.run_worker(settings(), ["toy"]))
