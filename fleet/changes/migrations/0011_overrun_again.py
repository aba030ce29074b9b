"""A target that was put back at the end of its window begins again in the next, and may be put back again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("changes", "0010_policy_edits"),)

    operations = (
        migrations.AddField("overrun", "resumed_at", models.DateTimeField(null=True)),
        migrations.AddField("overrun", "steps", models.JSONField(default=list)),
        migrations.AlterField(
            "overrun",
            "target",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="overruns", to="changes.targetrun"
            ),
        ),
    )
