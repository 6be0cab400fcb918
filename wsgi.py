"""What the web server loads: the application, from the environment's settings."""

import os
import sys

from portal.app import READINESS, create_app
from portal.core.db import Database
from portal.core.settings import SendsMail, Settings
from portal.runtime.storage_check import StorageCheck

# How long a thread may keep the interpreter while others want it: a page would wait for the ten milliseconds
# that a form takes. By default a thread gives way after five.
sys.setswitchinterval(0.001)

settings = Settings.from_env(os.environ, sends_mail=SendsMail.NO)
database = Database(settings.database_url, for_web=True)
storage = StorageCheck(database, READINESS)
storage.start()
app = create_app(settings, db=database, storage=storage)
