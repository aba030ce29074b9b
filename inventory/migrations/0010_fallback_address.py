from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0009_ucs_firmware_and_racks"),
    ]

    operations = [
        migrations.AddField(
            model_name="router",
            name="fallback_address",
            field=models.GenericIPAddressField(
                blank=True,
                help_text="tried where nothing answers at the address; the same host key must show",
                null=True,
            ),
        ),
    ]
