"""Cisco UCS as plain rows: domains, service profiles, Ethernet adapter policies."""

from django.core.validators import MaxValueValidator, MinValueValidator
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
    settings = models.JSONField(default=dict, blank=True, help_text="the rest as UCS Manager names it")

    class Meta:
        ordering = ("domain__name", "dn")
        verbose_name_plural = "adapter policies"
        constraints = (models.UniqueConstraint(fields=("domain", "dn"), name="adapter_policy_once_per_domain"),)

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
