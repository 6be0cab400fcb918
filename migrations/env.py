"""How migrations run: on the connection that `portal db upgrade` hands over."""

from alembic import context

from portal.core.db import WRITING

connection = context.config.attributes["connection"].execution_options(**WRITING)
context.configure(connection=connection, render_as_batch=True, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
