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
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(sa.String(20))
    price: Mapped[float | None] = mapped_column(sa.Numeric(10, 2))


engine = sa.create_engine(sys.argv[1].replace("postgresql://", "postgresql+psycopg://"))
Base.metadata.create_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Item(id=n, label=f"l{n}", price=n) for n in range(1, 6)])
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
assert inspector.get_pk_constraint(name)["constrained_columns"] == ["id"]
reflected = sa.Table(name, sa.MetaData(), autoload_with=engine)
assert [column.name for column in reflected.columns] == ["id", "label", "price"]
with engine.begin() as connection:
    connection.execute(sa.text(f"DROP TABLE {name} CASCADE"))
print("sqlalchemy", sa.__version__, "ok")
