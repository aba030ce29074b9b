"""The Django app "inventory": what exists, what was seen."""

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"
    verbose_name = "Inventory"

    def ready(self) -> None:
        """Tell the kind of step that changes blades, which may not know Django, where they are looked up."""
        from inventory.ucs import Store
        from playbooks.ucs import places

        places.tell(Store())
