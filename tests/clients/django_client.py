"""Django's ORM: tables from models, a program's queries, transactions, and models from tables (inspectdb)."""
import datetime
import decimal
import io
import sys
import uuid
from urllib.parse import urlparse

import django
from django.conf import settings

address = urlparse(sys.argv[1])
name = "g" + uuid.uuid4().hex[:8]
database = {"ENGINE": "django.db.backends.postgresql", "NAME": address.path[1:], "USER": address.username, "HOST": address.hostname, "PORT": address.port}
# Other zones than UTC are not known to the server.
settings.configure(DATABASES={"default": database}, INSTALLED_APPS=["__main__"], USE_TZ=True, TIME_ZONE="UTC", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.core.management.color import no_style  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Avg, Case, Count, Exists, F, Max, OuterRef, Q, Sum, Value, When  # noqa: E402
from django.db.models.functions import Coalesce, ExtractYear, Length, Lower, TruncMonth, Upper  # noqa: E402


# There are no foreign keys' constraints and no other indexes than those of keys.
class Author(models.Model):
    name = models.CharField(max_length=40)
    email = models.TextField(null=True)

    class Meta:
        app_label = "__main__"
        db_table = f"{name}_author"


class Note(models.Model):
    text = models.TextField()

    class Meta:
        app_label = "__main__"
        db_table = f"{name}_note"


class Book(models.Model):
    isbn = models.IntegerField(primary_key=True)
    author = models.ForeignKey(Author, models.CASCADE, db_constraint=False, db_index=False)
    title = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    sold = models.IntegerField(default=0)
    printed = models.DateTimeField()
    day = models.DateField(null=True)
    flag = models.BooleanField(default=True)
    cover = models.BinaryField(default=b"")
    weight = models.FloatField(null=True)

    class Meta:
        app_label = "__main__"
        db_table = f"{name}_book"


class Total(models.Model):
    """A materialized view, which a model reads like a table."""
    author_id = models.BigIntegerField(primary_key=True)
    books = models.BigIntegerField()
    total = models.DecimalField(max_digits=20, decimal_places=2)

    class Meta:
        app_label = "__main__"
        db_table = f"{name}_total"
        managed = False


with connection.schema_editor() as editor:
    editor.create_model(Author)
    editor.create_model(Note)
    editor.create_model(Book)
with connection.cursor() as cursor:
    cursor.execute(f"CREATE MATERIALIZED VIEW {name}_total AS SELECT author_id, count(*) AS books, sum(price) AS total FROM {name}_book GROUP BY author_id")
assert connection.pg_version >= 140000

at = datetime.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=datetime.timezone.utc)
ada = Author.objects.create(name="Ada")
assert ada.pk == 1
for n in range(2, 12):
    author = Author(name=f"a{n}", email=f"A{n}@x")
    author.save()
    assert author.pk == n

# Keys from the program beside those of the sequence, which is then told of them as after a fixture; and flushed tables.
notes = Note.objects.bulk_create([Note(text="a"), Note(text="b"), Note(id=70, text="c")])
assert sorted(note.pk for note in notes) == [1, 2, 70]
with connection.cursor() as cursor:
    for sql in connection.ops.sequence_reset_sql(no_style(), [Note]):
        cursor.execute(sql)
assert Note.objects.create(text="d").pk == 71
for statements in [connection.ops.sql_flush(no_style(), [Note._meta.db_table], reset_sequences=True)]:
    connection.ops.execute_sql_flush(statements)
assert Note.objects.create(text="e").pk == 1
try:
    with transaction.atomic():
        assert Note.objects.create(text="f").pk == 2
        raise KeyError
except KeyError:
    assert Note.objects.create(text="g").pk == 3
Book.objects.bulk_create([
    Book(isbn=n, author_id=n % 11 + 1, title=f"title {n}", price=decimal.Decimal(n) / 2, sold=n,
         printed=at + datetime.timedelta(days=n), day=at.date(), cover=b"\x00\xff", weight=n / 4)
    for n in range(100)])
book = Book.objects.select_related("author").get(pk=0)
assert (book.author.name, book.price, book.printed, book.day, bytes(book.cover), book.flag) == ("Ada", decimal.Decimal(0), at, at.date(), b"\x00\xff", True)
book.title = "it's %s \\"
book.save()
assert Book.objects.get(title="it's %s \\") == book
assert Book.objects.filter(sold__gte=90).update(sold=F("sold") + 1) == 10
assert Book.objects.filter(Q(sold__lt=5) | Q(title__icontains="TITLE 9"), ~Q(isbn=1)).count() == 4 + 11
assert list(Book.objects.order_by("-sold").values_list("isbn", flat=True)[2:4]) == [97, 96]
assert list(Book.objects.filter(isbn__in=[5, 7], title__startswith="title").values_list("sold", flat=True).order_by("sold")) == [5, 7]
assert Book.objects.filter(printed__range=(at, at + datetime.timedelta(days=2))).count() == 3
assert Book.objects.filter(printed__gte=at, printed__lt=at + datetime.timedelta(days=3)).count() == 3
assert Book.objects.filter(author__name="Ada", author__email__isnull=True).exists()
assert Author.objects.annotate(n=Count("book"), most=Max("book__sold")).order_by("-n", "id").values_list("name", "n", "most")[0] == ("Ada", 10, 100)
assert Book.objects.aggregate(a=Avg("weight"), s=Sum("price"), n=Count("pk", filter=Q(flag=True)))["s"] == decimal.Decimal("2475.00")
assert Author.objects.filter(Exists(Book.objects.filter(author=OuterRef("pk"), sold=100))).get() == ada
months = Book.objects.annotate(month=TruncMonth("printed")).values("month").annotate(n=Count("pk")).order_by("month")
assert [row["n"] for row in months][:2] == [26, 31], months
assert Book.objects.annotate(year=ExtractYear("printed")).filter(year=2026).count() == 100
assert Author.objects.annotate(l=Length("name"), u=Upper("name"), e=Coalesce(Lower("email"), Value("none"), output_field=models.TextField())).values_list("l", "u", "e").get(pk=1) == (3, "ADA", "none")
kinds = Book.objects.annotate(kind=Case(When(sold__lt=50, then=Value("few")), default=Value("many"))).values("kind").annotate(n=Count("pk")).order_by("kind")
assert list(kinds.values_list("kind", "n")) == [("few", 50), ("many", 50)]
assert len(Book.objects.raw(f"SELECT isbn, sold FROM {name}_book WHERE sold < %s", [3])) == 3
assert [len(page.object_list) for page in Paginator(Book.objects.order_by("pk"), 40)] == [40, 40, 20]
assert sum(1 for _ in Book.objects.iterator(chunk_size=30)) == 100
assert Author.objects.in_bulk([1, 2])[2].name == "a2"
assert Author.objects.get_or_create(id=20, defaults={"name": "new"})[1] is True
Author.objects.create(id=21, name="c21")
Author.objects.bulk_create([Author(id=2, name="c2")], update_conflicts=True, unique_fields=["id"], update_fields=["name"])
assert list(Author.objects.filter(id__in=[2, 21]).order_by("id").values_list("name", flat=True)) == ["c2", "c21"]
Book.objects.bulk_update([Book(isbn=1, sold=1000), Book(isbn=2, sold=2000)], ["sold"])
assert Book.objects.get(pk=2).sold == 2000
union = Author.objects.filter(id=1).values_list("id").union(Author.objects.filter(id__gt=19).values_list("id"))
assert sorted(union) == [(1,), (20,), (21,)]

# Transactions, nested ones, and one that fails.
try:
    with transaction.atomic():
        Author.objects.create(id=30, name="outer")
        try:
            with transaction.atomic():
                Author(id=1, name="again").save(force_insert=True)
        except IntegrityError as error:
            assert error.__cause__.sqlstate == "23505"
        assert Author.objects.filter(id=30).exists()
        raise KeyError
except KeyError:
    pass
assert not Author.objects.filter(id=30).exists()

# The view has followed, and goes on within a transaction.
total = Total.objects.get(pk=1)
assert total.books == 10 and total.total == Book.objects.filter(author=ada).aggregate(s=Sum("price"))["s"]
with transaction.atomic():
    Book.objects.filter(author=ada).delete()
    assert not Total.objects.filter(pk=1).exists()
    transaction.set_rollback(True)
assert Total.objects.get(pk=1).books == 10
assert ada.delete()[0] == 11

out = io.StringIO()
call_command("inspectdb", f"{name}_book", f"{name}_author", f"{name}_total", include_views=True, stdout=out)
for line in ["title = models.TextField()", "price = models.DecimalField(max_digits=10, decimal_places=2)",
             "printed = models.DateTimeField()", "email = models.TextField(blank=True, null=True)", "books = models.BigIntegerField("]:
    assert line in out.getvalue(), out.getvalue()
with connection.schema_editor() as editor:
    editor.execute(f"DROP MATERIALIZED VIEW {name}_total")
    editor.delete_model(Book)
    editor.delete_model(Note)
    editor.alter_db_table(Author, f"{name}_author", f"{name}_writer")
with connection.cursor() as cursor:
    cursor.execute(f"DROP TABLE {name}_writer")
print("django", django.__version__, "ok")
