"""
All engines of the tests share the statements that they have compiled, as those of one daemon do for
as long as it runs: hundreds of tests have a database of their own, and to compile what they run
would be half of their time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event

_shared: dict[tuple[type[Dialect], str], tuple[Dialect, Any]] = {}


@event.listens_for(Engine, "engine_connect")
def _share(connection: Connection) -> None:
    """
    Take the dialect, which is a part of each key, and the statements of the first engine of the
    same kind. Its own dialect has learned of the server by now.
    """
    engine = connection.engine
    kind = (type(engine.dialect), engine.dialect.paramstyle)
    known = _shared.setdefault(kind, (engine.dialect, engine._compiled_cache))
    engine.dialect, engine._compiled_cache = known
    connection.dialect = engine.dialect
