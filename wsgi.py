"""What the web server loads: the application, from the environment's settings."""

import os

from portal.app import create_app
from portal.core.settings import SendsMail, Settings

app = create_app(Settings.from_env(os.environ, sends_mail=SendsMail.NO))
