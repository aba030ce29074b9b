"""What a plan was found to risk when it was made, kept for its pages."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('changes', '0007_draft_requests'),
    ]

    operations = [
        migrations.AddField(
            model_name='revision',
            name='assessed',
            field=models.JSONField(null=True),
        ),
    ]
