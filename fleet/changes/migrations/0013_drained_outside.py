"""Devices that carry no traffic although no change of ours drained them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("changes", "0012_remedies"), ("inventory", "0006_circuits"))

    operations = (
        migrations.CreateModel(
            name="DrainedOutside",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("words", models.CharField(max_length=300)),
                (
                    "router",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drained_outside",
                        to="inventory.router",
                    ),
                ),
            ],
        ),
    )
