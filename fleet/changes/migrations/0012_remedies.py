"""Remedies that people ask for while a verification waits."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("changes", "0011_overrun_again"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Remedy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("neighbour", models.CharField(max_length=100)),
                ("address", models.CharField(max_length=45)),
                ("asked_at", models.DateTimeField()),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("done", models.BooleanField(null=True)),
                ("said", models.TextField(blank=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="remedies",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="remedies", to="changes.targetrun"
                    ),
                ),
            ],
            options={
                "ordering": ("-asked_at", "-pk"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)), fields=["asked_at"], name="remedy_open"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("target", "neighbour"),
                        name="remedy_once_at_a_time",
                    )
                ],
            },
        ),
    ]
