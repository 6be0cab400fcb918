"""How migrations run: in the transaction that `portal db upgrade` opened, on the connection it hands over.

Neither this file nor `versions/` imports anything of the portal: changed code must not change history.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
