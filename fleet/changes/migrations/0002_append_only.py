"""Events, seals and approvals can only be added: the database itself refuses to update or delete them.

Also the one row of the admission generation.
"""

from django.db import migrations

TABLES = ("changes_event", "changes_eventseal", "changes_approval")


def forbid(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE FUNCTION slipway_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME; END $$"
        )
        for table in TABLES:
            schema_editor.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION slipway_append_only()"
            )


def allow(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(f"DROP TRIGGER {table}_no_{verb.lower()}")
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION slipway_append_only() CASCADE")


def first_admission(apps, schema_editor):
    apps.get_model("changes", "Admission").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("changes", "0001_initial")]
    operations = [
        migrations.RunPython(forbid, allow),
        migrations.RunPython(first_admission, migrations.RunPython.noop),
    ]
