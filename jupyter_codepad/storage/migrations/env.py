"""Alembic's entry: runs the migrations on the connection that ``Database.start`` hands over."""

from alembic import context

from jupyter_codepad.storage.tables import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run through jupyter_codepad.storage.Database.start")

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
