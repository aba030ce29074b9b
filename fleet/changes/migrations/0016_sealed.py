"""A change remembers how many links its chain of events has."""

from django.db import migrations, models
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce


def count_links(apps, schema_editor):
    links = apps.get_model("changes", "EventSeal").objects.filter(change=OuterRef("pk")).order_by().values("change")
    counted = Subquery(links.annotate(n=Count("pk")).values("n"))
    apps.get_model("changes", "Change").objects.update(sealed=Coalesce(counted, 0))


class Migration(migrations.Migration):
    dependencies = [("changes", "0015_recipe_digest")]

    operations = [
        migrations.AddField("change", "sealed", models.PositiveIntegerField(default=0)),
        migrations.RunPython(count_links, migrations.RunPython.noop),
    ]
