"""The outbox is filled by the database itself, in the transaction that inserts an event, while anybody listens.

The trigger names only two small tables that no migration should ever rebuild: on SQLite a table that a trigger names
cannot be renamed, which is how Django alters tables there.
"""

from django.db import migrations

SQLITE = (
    "CREATE TRIGGER changes_event_outbox AFTER INSERT ON changes_event "
    "WHEN EXISTS (SELECT 1 FROM outward_listening) "
    "BEGIN INSERT INTO outward_outbox (event_id) VALUES (NEW.id); END"
)
POSTGRESQL = (
    "CREATE FUNCTION slipway_outbox() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF EXISTS (SELECT 1 FROM outward_listening) THEN "
    "INSERT INTO outward_outbox (event_id) VALUES (NEW.id); END IF; RETURN NULL; END $$",
    "CREATE TRIGGER changes_event_outbox AFTER INSERT ON changes_event "
    "FOR EACH ROW EXECUTE FUNCTION slipway_outbox()",
)


def fill(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(SQLITE)
    elif schema_editor.connection.vendor == "postgresql":
        for statement in POSTGRESQL:
            schema_editor.execute(statement)


def leave(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER changes_event_outbox")
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION slipway_outbox() CASCADE")


class Migration(migrations.Migration):
    dependencies = [("outward", "0001_outward")]
    operations = [migrations.RunPython(fill, leave)]
