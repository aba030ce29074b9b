"""What a device is made of, as it was seen: interfaces, network adapters, cards by serial, processors."""

from django.db import models

from inventory.models.names import hex4
from inventory.models.routers import Router


class Flavour(models.TextChoices):
    """Where a driver comes from: with the kernel, or built beside it."""

    UNKNOWN = "", "unknown"
    IN_TREE = "in-tree", "in-tree"
    VENDOR = "vendor", "vendor"


class Interface(models.Model):
    """A network interface as the facts showed it. Kept when it is no longer seen (`last_seen_at` says so)."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="interfaces")
    name = models.CharField(max_length=64)
    mac = models.CharField(max_length=63, blank=True, default="")
    kind = models.CharField(max_length=63, blank=True, default="", help_text="as ip -d link says: veth, vlan, bond")
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ("router__name", "name")
        constraints = (models.UniqueConstraint(fields=("router", "name"), name="interface_once_per_router"),)

    def __str__(self) -> str:
        return f"{self.router}:{self.name}"


class Nic(models.Model):
    """The network adapter behind an interface, as ethtool showed it. Empty text and null mean unknown."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="nics")
    interface = models.OneToOneField(Interface, on_delete=models.CASCADE, related_name="nic")
    pci_address = models.CharField(max_length=63, blank=True, default="", help_text="bus-info; empty on virtual ones")
    driver = models.CharField(max_length=63, blank=True, default="")
    driver_version = models.CharField(max_length=127, blank=True, default="")
    firmware = models.CharField(max_length=127, blank=True, default="")
    pci_vendor = models.CharField(max_length=4, blank=True, default="", validators=[hex4])
    pci_device = models.CharField(max_length=4, blank=True, default="", validators=[hex4])
    pci_subvendor = models.CharField(max_length=4, blank=True, default="", validators=[hex4])
    pci_subdevice = models.CharField(max_length=4, blank=True, default="", validators=[hex4])
    model = models.CharField(max_length=255, blank=True, default="", help_text="as pci.ids names it")
    # As the device says it; which device a serial belongs to is kept by Card.
    serial = models.CharField(max_length=63, blank=True, default="", db_index=True)
    nvm = models.CharField(max_length=31, blank=True, default="", help_text="version of the firmware image: 8.00")
    api = models.CharField(max_length=31, blank=True, default="", help_text="version of the firmware's API: 1.12")
    option_rom = models.CharField(max_length=31, blank=True, default="")
    numa_node = models.IntegerField(null=True, blank=True)
    driver_flavour = models.CharField(max_length=8, choices=Flavour, default=Flavour.UNKNOWN, blank=True)
    channels = models.JSONField(null=True, blank=True)
    rings = models.JSONField(null=True, blank=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ("router__name", "interface__name")
        verbose_name = "NIC"
        verbose_name_plural = "NICs"
        # What the pages ask of 40,000 cards: which values there are (read from the index, 20 ms > 0 ms each), and how
        # many devices run each combination (one covering index, half the time).
        indexes = (
            models.Index(
                fields=(
                    "driver",
                    "driver_version",
                    "driver_flavour",
                    "nvm",
                    "firmware",
                    "api",
                    "pci_vendor",
                    "pci_device",
                    "router",
                ),
                name="nic_kinds",
            ),
            models.Index(fields=("driver_version",), name="nic_driver_version"),
            models.Index(fields=("nvm",), name="nic_nvm"),
            models.Index(fields=("model",), name="nic_model"),
        )

    def __str__(self) -> str:
        return f"{self.interface} {self.driver}".strip()


class Card(models.Model):
    """A network card by its serial, and the one device that it belongs to.

    Written by a file, or by the first device that shows the serial. A second device that shows it is named
    (inventory/cards.py) and gets no row: one of the two is wrong, and a person says which.
    """

    serial = models.CharField(max_length=63, unique=True)
    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="cards")
    model = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ("serial",)

    def __str__(self) -> str:
        return f"{self.serial} in {self.router}"


class Identity(models.Model):
    """What a device's firmware says that it is (DMI): UUID in lower, serial number in upper case; empty: unknown."""

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="identity")
    uuid = models.CharField(max_length=36, blank=True, default="", db_index=True)
    serial = models.CharField(max_length=63, blank=True, default="", db_index=True)
    product = models.CharField(max_length=63, blank=True, default="")

    class Meta:
        ordering = ("router__name",)
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return f"{self.router} {self.product}".strip()


class Cpu(models.Model):
    """The processors of a device. Empty text and null mean unknown."""

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="cpu")
    vendor = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=255, blank=True, default="")
    sockets = models.PositiveIntegerField(null=True, blank=True)
    cores = models.PositiveIntegerField(null=True, blank=True)
    threads = models.PositiveIntegerField(null=True, blank=True)
    numa_nodes = models.PositiveIntegerField(null=True, blank=True)
    siblings = models.JSONField(null=True, blank=True, help_text="threads that share a core: [[0, 6], [1, 7]]")
    isolated = models.CharField(max_length=255, blank=True, default="", help_text="as the kernel says it: 2-5")

    class Meta:
        ordering = ("router__name",)
        verbose_name = "CPU"
        verbose_name_plural = "CPUs"

    def __str__(self) -> str:
        return f"{self.router} {self.model}".strip()
