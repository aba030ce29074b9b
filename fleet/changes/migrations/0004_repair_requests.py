"""What people ask to be drafted from drift."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("changes", "0003_approvals"),
    ]

    operations = [
        migrations.CreateModel(
            name="RepairRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asked_at", models.DateTimeField()),
                ("drifts", models.JSONField(default=list)),
                ("words", models.CharField(max_length=255)),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("already", models.JSONField(default=list)),
                ("left", models.JSONField(default=list)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=models.PROTECT, related_name="repair_requests", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("changes", models.ManyToManyField(blank=True, related_name="repair_requests", to="changes.change")),
            ],
            options={
                "ordering": ("-asked_at", "-pk"),
                "indexes": [
                    models.Index(
                        fields=["asked_at"], condition=models.Q(("ended_at__isnull", True)), name="repair_open"
                    )
                ],
            },
        ),
    ]
