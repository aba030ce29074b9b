"""What exists, what was seen of it, and what is wanted; one file per subject, everything importable from here."""

from inventory.models.access import Become, Console, ConsoleKind, Credential, HostKey
from inventory.models.artifacts import Artifact, ArtifactKind
from inventory.models.circuits import (
    Customer,
    CustomerCircuit,
    ProviderCircuit,
    ProviderImpact,
    ProviderMaintenance,
    ProviderStatus,
)
from inventory.models.collection import CollectionFailure, CollectionRun
from inventory.models.drift import Drift
from inventory.models.filters import SavedFilter
from inventory.models.hardware import Card, Cpu, Flavour, Identity, Interface, Nic
from inventory.models.imports import NetboxImport, NetboxObject, NetboxSource
from inventory.models.intent import Assignment, Level, Profile, ProfileKind
from inventory.models.links import Beacon, KeepConnected, Link, LinkEnd, Side
from inventory.models.names import NAME_PATTERN, name_is_plain
from inventory.models.observations import Observation, digest_of
from inventory.models.places import FailureDomain, Site, check_time_zone
from inventory.models.queue_looks import QueueLook
from inventory.models.routers import DeviceKind, External, Router, Suite
from inventory.models.samples import Sample, Sampled
from inventory.models.software import Daemon, Module, Package, Software
from inventory.models.ucs import (
    AdapterLimit,
    AdapterPolicy,
    Blade,
    FirmwarePack,
    MaintenancePolicy,
    RackServer,
    ServiceProfile,
    UcsDomain,
    Vnic,
)

__all__ = [
    "NAME_PATTERN", "AdapterLimit", "AdapterPolicy", "Artifact", "ArtifactKind", "Assignment", "Beacon", "Become",
    "Blade", "Card",
    "CollectionFailure", "CollectionRun", "Console",
    "ConsoleKind", "Cpu", "Credential", "Customer",
    "CustomerCircuit", "Daemon", "DeviceKind", "Drift", "External", "FailureDomain", "FirmwarePack", "Flavour",
    "HostKey", "Identity", "Interface", "KeepConnected", "Level", "Link", "LinkEnd", "MaintenancePolicy", "Module",
    "NetboxImport",
    "NetboxObject", "NetboxSource", "Nic", "Observation", "Package",
    "Profile", "ProfileKind", "ProviderCircuit", "ProviderImpact", "ProviderMaintenance",
    "ProviderStatus", "QueueLook", "RackServer", "Router", "Sample", "Sampled", "SavedFilter", "ServiceProfile",
    "Side", "Site", "Software", "Suite",
    "UcsDomain", "Vnic", "check_time_zone", "digest_of", "name_is_plain",
]  # fmt: skip
