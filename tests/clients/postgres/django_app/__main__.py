"""`python -m tests.clients.postgres.django_app HOST PORT ENGINE_OPTIONS`: Django's ORM on persistent connections, as
requests drive it; prints what it saw as JSON.

A process of its own, for Django is configured once a process.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import django
from django.conf import settings

host, port, engine_options = sys.argv[1:]
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "USER": "app", "PASSWORD": "app-secret", "NAME": "test",
            **json.loads(engine_options),
        }
    },
    TIME_ZONE="Europe/Berlin",
    USE_TZ=True,
    INSTALLED_APPS=["tests.clients.postgres.django_app"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)  # fmt: skip
django.setup()

from django.core.signals import request_finished, request_started  # noqa: E402
from django.db import DatabaseError, IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Count, F, Sum  # noqa: E402

from .models import Author, Book  # noqa: E402

TEXT = "naïve 日本語 😀 \\ ' \" % $1 end"


def request(view: Any) -> Any:
    """As the handler does for each request: old connections are closed or checked, others kept."""
    request_started.send(sender=None)
    try:
        return view()
    finally:
        request_finished.send(sender=None)


def fill() -> Any:
    authors = Author.objects.bulk_create([Author(name=f"author {n}", born="2024-02-29T12:00:00Z") for n in range(30)])
    Author.objects.create(name=TEXT)
    Book.objects.bulk_create(
        [Book(author=authors[n % 30], title=f"book {n}", price=n, tags=[n, "x"]) for n in range(200)]
    )
    return [author.pk is not None for author in authors]


def read() -> Any:
    return [
        list(
            Author.objects.annotate(n=Count("books"), total=Sum("books__price"))
            .order_by("name")
            .values_list("name", "n", "total")[:5]
        ),
        Book.objects.filter(tags__contains=[7]).count(),
        Author.objects.get(name=TEXT).name == TEXT,
        sum(1 for _ in Book.objects.order_by("id").iterator(chunk_size=30)),  # a server-side cursor
        [str(author.born) for author in Author.objects.order_by("id")[:1]],
        Book.objects.select_related("author").order_by("-price").first().author.name,
    ]


def write() -> Any:
    seen: list[Any] = [Book.objects.filter(price__lt=10).update(price=F("price") + 1)]
    try:
        with transaction.atomic():
            Book.objects.all().delete()
            try:
                with transaction.atomic():
                    Author.objects.create(name=TEXT)
            except IntegrityError as error:
                seen.append(str(error).splitlines()[0])
            seen.append(Book.objects.count())
            raise LookupError
    except LookupError:
        seen.append(Book.objects.count())
    author, created = Author.objects.get_or_create(name="got or created")
    with transaction.atomic():
        locked = Author.objects.select_for_update().get(pk=author.pk)
        locked.name = "locked"
        locked.save()
    done: list[str] = []
    with transaction.atomic():
        transaction.on_commit(lambda: done.append("committed"))
    return [*seen, created, done, author.delete()[0]]


def fail() -> Any:
    try:
        Book.objects.create(author_id=None, title="x", price=1)
    except IntegrityError as error:
        return [str(error).splitlines()[0], type(error.__cause__).__name__]


def raw() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('timezone'), %s, 1/%s", [TEXT, 3])
        found = cursor.fetchall()
        try:
            cursor.execute("SELECT 1/0")
        except DatabaseError as error:
            found.append(str(error))
        cursor.execute("SELECT current_setting('transaction_isolation')")
        return [*found, cursor.fetchall(), connection.is_usable()]


def in_threads() -> Any:
    """Each thread has a connection of its own, and keeps it for its next request."""
    found: list[Any] = []

    def work(number: int) -> None:
        for turn in range(4):
            found.append((number, turn, request(lambda: Book.objects.filter(price__gte=number).count() > 0)))
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(found)


def main() -> None:
    seen: list[Any] = []
    with connection.schema_editor() as editor:
        for table in ("django_book", "django_author"):
            editor.execute(f"DROP TABLE IF EXISTS {table}")
        editor.create_model(Author)
        editor.create_model(Book)
    for view in (fill, read, write, read, fail, read, raw, in_threads):
        seen.append((view.__name__, request(view)))
    with connection.schema_editor() as editor:
        editor.add_field(Author, _with_default("rating"))
    seen.append(("altered", request(read)))
    with connection.schema_editor() as editor:
        editor.delete_model(Book)
        editor.delete_model(Author)
    seen.append(sorted(connection.introspection.table_names())[:0])
    connection.close()
    print(json.dumps(seen, default=str))


def _with_default(name: str) -> models.Field[Any, Any]:
    field = models.IntegerField(default=5)
    field.set_attributes_from_name(name)
    field.model = Author
    return field


main()
