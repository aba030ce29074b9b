"""Cisco UCS as plain rows: domains, blades, service profiles and their vNICs, policies, limits of adapters."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F

from inventory.models.access import Credential
from inventory.models.names import name_is_plain
from inventory.models.places import Site
from inventory.models.routers import Router


class UcsDomain(models.Model):
    """A pair of fabric interconnects with their manager."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="ucs_domains")
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(default=443, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="ucs_domains")
    certificate = models.CharField(
        max_length=64, blank=True, default="", validators=[RegexValidator(r"^[0-9a-f]{64}$")],
        help_text="SHA-256 of UCS Manager's certificate in hexadecimal; without it nothing is asked",
    )  # fmt: skip
    version = models.CharField(max_length=31, blank=True, default="", editable=False)
    bundles = models.JSONField(default=list, blank=True, editable=False, help_text="blade bundles that lie on it")
    collected_at = models.DateTimeField(null=True, blank=True, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    said = models.JSONField(
        default=list, blank=True, editable=False, help_text="why the last collection failed, or what it could not link"
    )

    class Meta:
        ordering = ("name",)
        verbose_name = "UCS domain"
        constraints = (models.UniqueConstraint(fields=("address", "port"), name="ucs_domain_address_once"),)

    def __str__(self) -> str:
        return self.name


class AdapterPolicy(models.Model):
    """An Ethernet adapter policy. The same name can stand in several organisations: `dn` tells them apart."""

    domain = models.ForeignKey(UcsDomain, on_delete=models.CASCADE, related_name="adapter_policies")
    dn = models.CharField(max_length=255, help_text="org-root/eth-profile-NAME")
    name = models.CharField(max_length=16)  # adaptorHostEthIfProfile.name
    rx_queues = models.PositiveIntegerField(default=1)
    rx_ring = models.PositiveIntegerField(default=512)
    tx_queues = models.PositiveIntegerField(default=1)
    tx_ring = models.PositiveIntegerField(default=256)
    completion_queues = models.PositiveIntegerField(default=2)
    interrupts = models.PositiveIntegerField(default=4)
    rss = models.BooleanField(default=False)
    arfs = models.BooleanField(default=False)
    settings = models.JSONField(default=dict, blank=True, help_text="the rest as UCS Manager names it")

    class Meta:
        ordering = ("domain__name", "dn")
        verbose_name_plural = "adapter policies"
        constraints = (models.UniqueConstraint(fields=("domain", "dn"), name="adapter_policy_once_per_domain"),)

    def __str__(self) -> str:
        return f"{self.domain} {self.dn}"


class MaintenancePolicy(models.Model):
    """When UCS Manager carries out a change that needs a reboot, for the profiles that name this policy."""

    domain = models.ForeignKey(UcsDomain, on_delete=models.CASCADE, related_name="maintenance_policies")
    dn = models.CharField(max_length=255, help_text="org-root/maint-NAME")
    name = models.CharField(max_length=16)
    disruption = models.CharField(max_length=16, help_text="immediate, user-ack, timer-automatic")

    class Meta:
        ordering = ("domain__name", "dn")
        verbose_name_plural = "maintenance policies"
        constraints = (models.UniqueConstraint(fields=("domain", "dn"), name="maintenance_policy_once_per_domain"),)

    def __str__(self) -> str:
        return f"{self.domain} {self.dn}"


class FirmwarePack(models.Model):
    """A host firmware pack: which bundle the blades of its profiles run."""

    domain = models.ForeignKey(UcsDomain, on_delete=models.CASCADE, related_name="firmware_packs")
    dn = models.CharField(max_length=255, help_text="org-root/fw-host-pack-NAME")
    blade_bundle = models.CharField(max_length=63, blank=True, default="")

    class Meta:
        ordering = ("domain__name", "dn")
        constraints = (models.UniqueConstraint(fields=("domain", "dn"), name="firmware_pack_once_per_domain"),)

    def __str__(self) -> str:
        return f"{self.domain} {self.dn}"


class Blade(models.Model):
    """A blade as UCS Manager showed it. `adapter`: model of its adapter; empty: not known, or several kinds."""

    domain = models.ForeignKey(UcsDomain, on_delete=models.CASCADE, related_name="blades")
    dn = models.CharField(max_length=255, help_text="sys/chassis-1/blade-3")
    model = models.CharField(max_length=63, blank=True, default="")
    serial = models.CharField(max_length=63, blank=True, default="")
    uuid = models.CharField(max_length=63, blank=True, default="")
    adapter = models.CharField(max_length=63, blank=True, default="")
    power = models.CharField(max_length=31, blank=True, default="")
    association = models.CharField(max_length=31, blank=True, default="")
    threads = models.PositiveIntegerField(null=True, blank=True)
    firmware = models.CharField(max_length=63, blank=True, default="", help_text="bundle that it runs")

    class Meta:
        ordering = ("domain__name", "dn")
        constraints = (models.UniqueConstraint(fields=("domain", "dn"), name="blade_once_per_domain"),)

    def __str__(self) -> str:
        return f"{self.domain} {self.dn}"


class ServiceProfile(models.Model):
    """A service profile or template, the blade that it is associated with, and the adapter policy of its vNICs."""

    domain = models.ForeignKey(UcsDomain, on_delete=models.CASCADE, related_name="service_profiles")
    dn = models.CharField(max_length=255, help_text="org-root/ls-NAME")
    name = models.CharField(max_length=32)  # lsServer.name
    template = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="instances")
    adapter_policy = models.ForeignKey(
        AdapterPolicy, null=True, blank=True, on_delete=models.PROTECT, related_name="service_profiles"
    )
    maintenance_policy = models.CharField(max_length=16, blank=True, default="", help_text="immediate, user-ack, ...")
    router = models.OneToOneField(
        Router, null=True, blank=True, on_delete=models.SET_NULL, related_name="service_profile"
    )
    blade = models.OneToOneField(
        Blade, null=True, blank=True, on_delete=models.SET_NULL, related_name="service_profile"
    )
    uuid = models.CharField(max_length=63, blank=True, default="")
    association = models.CharField(max_length=31, blank=True, default="")
    pending = models.CharField(max_length=255, blank=True, default="", help_text="what waits for a reboot")
    bound_to = models.CharField(max_length=255, blank=True, default="", help_text="dn of an updating template")
    firmware_pack = models.CharField(max_length=255, blank=True, default="", help_text="dn of what it resolves to")
    linked_by = models.CharField(
        max_length=31, blank=True, default="", help_text="MAC, UUID, serial: what told the device; empty: by hand"
    )

    class Meta:
        ordering = ("domain__name", "dn")
        constraints = (
            models.UniqueConstraint(fields=("domain", "dn"), name="service_profile_once_per_domain"),
            models.CheckConstraint(
                condition=~models.Q(template=F("pk")) | models.Q(template__isnull=True),
                name="service_profile_not_its_own_template",
            ),
        )

    def __str__(self) -> str:
        return f"{self.domain} {self.dn}"


class RackServer(models.Model):
    """A standalone C-series server by its management controller (Cisco IMC): no policies, each vNIC has its own counts.

    `vnics`: as `playbooks.ucs.rack.Vnic`, what was last seen.
    """

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="rack_server")
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(default=443, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="rack_servers")
    certificate = models.CharField(
        max_length=64, blank=True, default="", validators=[RegexValidator(r"^[0-9a-f]{64}$")],
        help_text="SHA-256 of its certificate in hexadecimal; without it nothing is asked",
    )  # fmt: skip
    model = models.CharField(max_length=63, blank=True, default="", editable=False)
    serial = models.CharField(max_length=63, blank=True, default="", editable=False)
    uuid = models.CharField(max_length=63, blank=True, default="", editable=False)
    version = models.CharField(max_length=31, blank=True, default="", editable=False)
    vnics = models.JSONField(default=list, blank=True, editable=False)
    collected_at = models.DateTimeField(null=True, blank=True, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    said = models.JSONField(default=list, blank=True, editable=False, help_text="why the last collection failed")

    class Meta:
        ordering = ("router__name",)
        constraints = (models.UniqueConstraint(fields=("address", "port"), name="rack_server_address_once"),)

    def __str__(self) -> str:
        return f"{self.router} {self.address}"


class Vnic(models.Model):
    """A vNIC of a service profile, and the adapter policy that it resolves to."""

    profile = models.ForeignKey(ServiceProfile, on_delete=models.CASCADE, related_name="vnics")
    name = models.CharField(max_length=16)
    mac = models.CharField(max_length=17, blank=True, default="", db_index=True)
    adapter_policy = models.ForeignKey(
        AdapterPolicy, null=True, blank=True, on_delete=models.SET_NULL, related_name="vnics"
    )

    class Meta:
        ordering = ("profile__domain__name", "profile__dn", "name")
        verbose_name = "vNIC"
        constraints = (models.UniqueConstraint(fields=("profile", "name"), name="vnic_once_per_profile"),)

    def __str__(self) -> str:
        return f"{self.profile} {self.name}"


class AdapterLimit(models.Model):
    """What an adapter model gives, as found in one's own house. A row without figures: what Slipway knows is not so.

    These rows come on top of `fleet.core.ucs.KNOWN_LIMITS`.
    """

    model = models.CharField(max_length=63, unique=True, help_text="as UCS Manager names it: VIC 1340")
    receive = models.PositiveIntegerField(null=True, blank=True, help_text="receive queues of a vNIC")
    transmit = models.PositiveIntegerField(null=True, blank=True, help_text="transmit queues of a vNIC")
    completions = models.PositiveIntegerField(
        null=True, blank=True, help_text="completion queues of all vNICs together"
    )
    source = models.CharField(max_length=255, help_text="how it was found out")

    class Meta:
        ordering = ("model",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(receive__isnull=True, transmit__isnull=True)
                | models.Q(receive__isnull=False, transmit__isnull=False),
                name="adapter_limit_both_or_none",
            ),
        )

    def __str__(self) -> str:
        return self.model
