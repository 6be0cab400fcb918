"""The real worker as `portal worker` runs it, but with a lease of seconds, so that tests need not wait for minutes."""

import logging
import os
import sys
from datetime import timedelta

from portal import app
from portal.kit.clock import SystemClock
from portal.kit.context import Context
from portal.kit.settings import Settings
from portal.worker import Worker

logging.basicConfig(level=logging.INFO)
context = Context(Settings.from_env(os.environ))
parts = app.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
sys.stdin.readline()  # made ready beforehand, begun when the test says so
Worker(parts, app.SCHEDULE, lease=timedelta(seconds=float(sys.argv[1]))).run()
