"""The digest of a recipe's text, so that standard changes can be written on a page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("changes", "0014_facts_again"),)

    operations = (
        migrations.AddField(
            model_name="recipecard",
            name="digest",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
    )
