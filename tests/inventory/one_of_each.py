"""One row of every table of the inventory that a file does not bring, on a fleet that is there."""

from datetime import datetime

from django.contrib.auth.models import User

from inventory import models


def one_of_each(router: models.Router, now: datetime) -> None:
    interface = models.Interface.objects.create(router=router, name="eth0", last_seen_at=now)
    models.Nic.objects.create(router=router, interface=interface, driver="veth", last_seen_at=now)
    models.Card.objects.create(router=router, serial="68-05-ca-ff-ff-00-11-22", model="XL710")
    models.Cpu.objects.create(router=router, vendor="GenuineIntel", cores=6, siblings=[[0, 6]])
    models.Software.objects.create(router=router, kernel="6.1.0-28-amd64", suite="frr", suite_version="8.4.4")
    models.Package.objects.create(router=router, name="frr", version="8.4.4-1.1")
    models.Module.objects.create(router=router, name="i40e", version="2.13.10", flavour="vendor")
    models.Daemon.objects.create(router=router, name="bgpd", version="8.4.4", pid=71, started_at=now)
    models.Drift.objects.create(router=router, setting="nic.queues[eth0]", wanted=8, found=4, profile="x", since=now)
    models.Console.objects.create(
        router=router, kind="ipmi", address="192.0.2.9", port=623, credential=router.credential
    )
    models.Beacon.objects.create(router=router, prefix="198.51.100.0/24", test_address="198.51.100.1")
    link = models.Link.objects.first() or models.Link.objects.create(kind="transit", capacity_mbps=1000)
    customer = models.Customer.objects.create(name="r0-customer", account="137.035999173", email="noc@example.com")
    models.CustomerCircuit.objects.create(customer=customer, link=link, circuit_id="c-1")
    models.ProviderCircuit.objects.create(provider="Example Telecom", circuit_id="r0-acme-1", link=link)
    work = models.ProviderMaintenance.objects.create(
        provider="Example Telecom", maintenance_id="r0-WorkOrder-31415", status="CONFIRMED", stamp=now, start_at=now,
        end_at=now, received_at=now, received_by="somebody",
    )  # fmt: skip
    models.ProviderImpact.objects.create(maintenance=work, circuit_id="r0-acme-1", impact="OUTAGE", link=link)
    models.Artifact.objects.create(kind="kernel", name="linux", version="6.1", sha256="0" * 64, location="/srv/linux")
    profile = models.Profile.objects.create(name="fast", kind="nic", settings={"nic.queues": 8})
    models.Assignment.objects.create(profile=profile, level="device", router=router)
    domain = models.UcsDomain.objects.create(
        name="ucs1", site=router.site, address="192.0.2.10", credential=router.credential
    )
    models.RackServer.objects.create(router=router, address="192.0.2.11", credential=router.credential)
    models.AdapterLimit.objects.create(model="r0 VIC 1340", receive=64, transmit=64, source="measured")
    policy = models.AdapterPolicy.objects.create(domain=domain, dn="org-root/eth-profile-fast", name="fast")
    models.ServiceProfile.objects.create(
        domain=domain, dn="org-root/ls-r0", name="r0", adapter_policy=policy, router=router
    )
    owner = User.objects.create_user("somebody")
    models.SavedFilter.objects.create(owner=owner, page="devices", name="mine", query="role=edge")
    source = models.NetboxSource.objects.create(name="netbox", url="https://netbox.example.net")
    models.NetboxImport.objects.create(source=source, url=source.url, asked_by="somebody", asked_at=now)
    models.QueueLook.objects.create(router=router, asked_by="somebody", asked_at=now)
    models.Sample.objects.create(router=router, metric="slab", at=now, value=5.0)
    models.Sampled.objects.create(router=router, due_at=now, until=now, why="r0")
    models.CollectionRun.objects.create(why="schedule", asked=1, started_at=now)
    models.Observation.objects.create(router=router, observed_at=now, facts={"version": 1})
