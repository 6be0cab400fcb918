"""The real worker as `portal worker` runs it, but with a lease of seconds, so that tests wait seconds.

Each line on standard input starts one in its own process, whose number is printed; "ended" follows its end.
All are forked from this process, which has loaded the program before.
"""

import logging
import os
import sys
from datetime import timedelta

from portal import app
from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.runtime.context import Context
from portal.worker import Worker


def work() -> None:
    context = Context(Settings.from_env(os.environ))
    parts = app.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
    Worker(parts, app.SCHEDULE, lease=timedelta(seconds=float(sys.argv[1]))).run()


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            work()
            os._exit(0)
        print(child, flush=True)  # noqa: T201 - the test reads it
        os.waitpid(child, 0)
        print("ended", flush=True)  # noqa: T201 - the same


main()
