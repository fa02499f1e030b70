"""SQLAlchemy 2: tables made from models, the ORM, reflection."""
import sys
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

name = "s" + uuid.uuid4().hex[:8]


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = name
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(sa.String(20))
    price: Mapped[float | None] = mapped_column(sa.Numeric(10, 2))


class Event(Base):
    __tablename__ = f"{name}_event"
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True, start=100, increment=10), primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, sa.Sequence(f"{name}_numbers"))


engine = sa.create_engine(sys.argv[1].replace("postgresql://", "postgresql+psycopg://"))
Base.metadata.create_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as session:
    items = [Item(label=f"l{n}", price=n) for n in range(1, 6)]
    session.add_all(items)
    session.commit()
    assert [item.id for item in items] == [1, 2, 3, 4, 5]
    events = [Event(), Event()]
    session.add_all(events)
    session.flush()
    assert [(event.id, event.number) for event in events] == [(100, 1), (110, 2)]
    session.rollback()
    assert session.scalar(sa.insert(Event).returning(Event.id)) == 120
    assert session.scalar(sa.select(sa.Sequence(f"{name}_numbers").next_value())) == 4
    session.commit()
    item = session.get(Item, 3)
    item.label = "changed"
    session.delete(session.get(Item, 5))
    session.commit()
    labels = session.scalars(sa.select(Item.label).where(Item.price > 1).order_by(Item.id)).all()
    assert labels == ["l2", "changed", "l4"], labels
with engine.connect() as connection:
    connection.execute(sa.text(f"CREATE MATERIALIZED VIEW {name}_v AS SELECT label FROM {name} WHERE price > 1"))
    connection.commit()
inspector = sa.inspect(engine)
assert name in inspector.get_table_names() and f"{name}_v" in inspector.get_materialized_view_names()
columns = {column["name"]: column for column in inspector.get_columns(name)}
assert isinstance(columns["label"]["type"], sa.VARCHAR) and columns["label"]["type"].length == 20
assert columns["id"]["nullable"] is False
assert columns["id"]["default"] == f"nextval('{name}_id_seq'::regclass)" and columns["id"]["autoincrement"] is True
identity = {column["name"]: column for column in inspector.get_columns(f"{name}_event")}["id"]["identity"]
assert (identity["always"], identity["start"], identity["increment"]) == (True, 100, 10), identity
assert f"{name}_numbers" in inspector.get_sequence_names()
assert inspector.get_pk_constraint(name)["constrained_columns"] == ["id"]
reflected = sa.Table(name, sa.MetaData(), autoload_with=engine)
assert [column.name for column in reflected.columns] == ["id", "label", "price"]

# A table of the same name in a schema of its own.
with engine.begin() as connection:
    connection.execute(sa.schema.CreateSchema(f"{name}_s", if_not_exists=True))
other = sa.Table(name, sa.MetaData(), sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("n", sa.Integer), schema=f"{name}_s")
other.create(engine)
assert sa.inspect(engine).get_table_names(schema=f"{name}_s") == [name] and f"{name}_s" in sa.inspect(engine).get_schema_names()
with engine.begin() as connection:
    made = connection.execute(sa.insert(other).values(n=5).returning(other.c.id)).scalar_one()
    assert connection.execute(sa.select(other.c.n).where(other.c.id == made)).scalar_one() == 5
again = sa.Table(name, sa.MetaData(schema=f"{name}_s"), autoload_with=engine)
assert [column.name for column in again.columns] == ["id", "n"] and [column.name for column in again.primary_key] == ["id"]
with engine.begin() as connection:
    connection.execute(sa.schema.DropSchema(f"{name}_s", cascade=True))
with engine.begin() as connection:
    connection.execute(sa.text(f"DROP TABLE {name} CASCADE"))
Base.metadata.drop_all(engine)
assert f"{name}_numbers" not in sa.inspect(engine).get_sequence_names()
print("sqlalchemy", sa.__version__, "ok")
