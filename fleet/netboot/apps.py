"""The boot endpoint as a Django app."""

from django.apps import AppConfig


class NetbootConfig(AppConfig):
    """What diskless hosts boot."""

    name = "fleet.netboot"
    label = "netboot"
    verbose_name = "Network boot"

    def ready(self) -> None:
        """Tell the kind of step, which may not know Django, where boot targets are kept."""
        from fleet.netboot.store import Store
        from playbooks.netboot import targets

        targets.tell(Store())
