"""Two tables with a relation."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)
    born = models.DateTimeField(null=True)

    class Meta:
        db_table = "django_author"


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    tags = models.JSONField(default=list)

    class Meta:
        db_table = "django_book"
