"""
Run the migrations on the connection that the program hands over; there is no ini file.
"""

from __future__ import annotations

from alembic import context

from scepd.storage.tables import metadata

# Both databases can roll back their DDL: a migration that fails leaves nothing behind.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
