#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of SQLAlchemy's queries, kept in a store by way of dogpile.cache.

    pip install SQLAlchemy dogpile.cache
    python sqlalchemy_queries.py

A query says that it may be answered from a cache: ``session.scalars(select(User).options(FromCache("users")))``. What is kept is
the frozen result, as bytes; each session makes objects of its own from it. The name of a region begins its keys, so that
all results about a table can be dropped at once when it has been written.
"""

from __future__ import annotations

from typing import Any, Optional

import memstore
import memstore.integrations.dogpile  # registers the backend
from dogpile.cache import CacheRegion, make_region
from dogpile.cache.util import sha1_mangle_key
from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    UserDefinedOption,
    mapped_column,
    relationship,
    selectinload,
    sessionmaker,
)
from sqlalchemy.orm.loading import merge_frozen_result


#: The regions by their names: objects refer to the options that they were loaded with, so that these are pickled along.
regions: dict[str, CacheRegion] = {}


class FromCache(UserDefinedOption):
    """An option of a query: answer it from a region, for which it is computed once however many threads ask."""

    #: What is loaded along with the objects, later too, goes through the same region.
    propagate_to_loaders = True

    def __init__(self, region: str) -> None:
        super().__init__()
        self.region = region


def named_region(store: memstore.Store, name: str, seconds: int) -> CacheRegion:
    """A region whose keys begin with its name."""
    return make_region(key_mangler=lambda key: f"{name}:{sha1_mangle_key(key.encode())}").configure(
        "memstore", expiration_time=seconds, arguments={"store": store, "memory_expiration_time": 2 * seconds}
    )


#: How statements are written as text, kept since many queries differ in parameters alone.
_texts: dict[Any, str] = {}


def key_of(state: ORMExecuteState) -> Optional[str]:
    """The statement with all of its parameters, as text; None if it has none that is always the same."""
    key = state.statement._generate_cache_key()
    return key.to_offline_string(_texts, state.statement, state.parameters or {}) if key else None


def answer_from_cache(state: ORMExecuteState) -> Any:
    """The listener for ``do_orm_execute``."""
    option = next((option for option in state.user_defined_options if isinstance(option, FromCache)), None)
    key = key_of(state) if option and state.is_select else None
    if option is None or key is None:
        return None
    frozen = regions[option.region].get_or_create(key, lambda: state.invoke_statement().freeze())
    return merge_frozen_result(state.session, state.statement, frozen, load=False)()


# ---- A program that does so


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    posts: Mapped[list[Post]] = relationship()


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]


def main() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    event.listen(sessions, "do_orm_execute", answer_from_cache)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, text, *_rest: statements.append(text))

    with sessions.begin() as session:
        session.add(User(id=1, name="Ada", posts=[Post(text="notes")]))

    with memstore.Store(memory_limit="64MB") as store:
        regions["users"] = named_region(store, "users", seconds=60)

        def read(user: int) -> tuple[str, list[str]]:
            query = select(User).where(User.id == user).options(FromCache("users"), selectinload(User.posts))
            with sessions() as session:
                found = session.scalars(query).one()
                return found.name, [post.text for post in found.posts]

        statements.clear()
        assert read(1) == ("Ada", ["notes"])
        asked = len(statements)
        assert read(1) == ("Ada", ["notes"]) and len(statements) == asked
        print(f"{asked} statements for the first read, none for the second; {store!r}")

        with sessions.begin() as session:
            session.get_one(User, 1).name = "Ada Lovelace"
        assert read(1)[0] == "Ada"  # as cached as any
        dropped = store.delete_pattern("users:*")
        assert read(1)[0] == "Ada Lovelace"
        print(f"{dropped} results dropped after a write, and read anew")


if __name__ == "__main__":
    main()
