"""Forms for what people enter: every error names the field, what was found and what is wanted."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model

from inventory import models
from inventory.host_key import PublicKey, parse
from inventory.models.routers import check_tags
from inventory.views import setting_lines

# Generic for the type checker only: Django's classes take no parameters at run time.
if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
    ModelChoiceField = forms.ModelChoiceField[Any]
else:
    ModelForm, ModelChoiceField = forms.ModelForm, forms.ModelChoiceField


class ByName(ModelChoiceField):
    """A row given by its name: ten thousand devices are no list to scroll through. A near miss is named."""

    widget = forms.TextInput

    def __init__(self, model: type[Model], **options: Any) -> None:
        super().__init__(model._default_manager.all(), to_field_name="name", **options)
        self.rows = model._default_manager

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return self.rows.filter(pk=value).values_list("name", flat=True).first()
        return super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value.strip() if isinstance(value, str) else value)
        except ValidationError:
            known = list(self.rows.values_list("name", flat=True))
            close = get_close_matches(str(value), known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            what = self.rows.model._meta.verbose_name
            raise ValidationError(f"found {str(value)[:60]!r}, wanted the name of a {what} that exists{hint}") from None


class Tags(forms.CharField):
    """Names with commas or spaces between them, as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(tag) for tag in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return text.replace(",", " ").split()

    def validate(self, value: Any) -> None:
        super().validate(value)
        check_tags(value)  # here: a JSON field says "must be valid JSON" instead of what a name may be

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or []) != self.to_python(data))


class FailureDomainForm(ModelForm):
    class Meta:
        model = models.FailureDomain
        fields = ("name",)


class SiteForm(ModelForm):
    class Meta:
        model = models.Site
        fields = ("name", "failure_domain", "time_zone")


class ExternalForm(ModelForm):
    class Meta:
        model = models.External
        fields = ("name",)


class CredentialForm(ModelForm):
    class Meta:
        model = models.Credential
        fields = ("name", "username", "reference", "become")


class DeviceForm(ModelForm):
    tags = Tags(required=False, help_text="names, with commas between")

    class Meta:
        model = models.Router
        fields = (
            "name", "kind", "site", "role", "platform", "suite", "address", "port", "fallback_address", "credential",
            "router_id", "tags",
        )  # fmt: skip


class NewDeviceForm(DeviceForm):
    """A new device may bring its host key; later ones come by an import, which keeps the old one on record."""

    host_key = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="a line as ssh-keyscan prints it: without a known host key nothing connects",
    )

    def clean_host_key(self) -> PublicKey | None:
        text = self.cleaned_data["host_key"].strip()
        if not text:
            return None
        words = text.split()
        found = parse(" ".join(words[1:]) if len(words) > 2 and words[1].startswith(("ssh-", "ecdsa-")) else text)
        if not isinstance(found, PublicKey):
            raise ValidationError(str(found))
        return found

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002  # as Django has it
        row = super().save(commit)
        if key := self.cleaned_data["host_key"]:
            models.HostKey.objects.create(router=row, algorithm=key.algorithm, key=key.blob)
        return row


class ConsoleForm(ModelForm):
    router = ByName(models.Router, label="Device")

    class Meta:
        model = models.Console
        fields = ("router", "kind", "address", "port", "credential")


class BeaconForm(ModelForm):
    router = ByName(models.Router, label="Device")

    class Meta:
        model = models.Beacon
        fields = ("router", "prefix", "test_address")


class UcsDomainForm(ModelForm):
    class Meta:
        model = models.UcsDomain
        fields = ("name", "site", "address", "port", "credential", "certificate")


class AdapterPolicyForm(ModelForm):
    class Meta:
        model = models.AdapterPolicy
        fields = ("domain", "dn", "name", "rx_queues", "rx_ring", "tx_queues", "tx_ring", "completion_queues",
                  "interrupts", "rss", "settings")  # fmt: skip


class ServiceProfileForm(ModelForm):
    router = ByName(models.Router, label="Device", required=False)

    class Meta:
        model = models.ServiceProfile
        fields = ("domain", "dn", "name", "template", "adapter_policy", "maintenance_policy", "router")


class ArtifactForm(ModelForm):
    class Meta:
        model = models.Artifact
        fields = ("kind", "name", "version", "sha256", "location", "brings")


class ProfileForm(ModelForm):
    settings = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text="one setting a line: nic.queues: 8. null: left alone on purpose. A line with # is not kept",
    )

    class Meta:
        model = models.Profile
        fields = ("name", "kind", "parent", "weight", "settings")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["settings"] = setting_lines.render(self.instance.settings)

    def clean_settings(self) -> Any:
        settings, wrong = setting_lines.read(self.cleaned_data["settings"], kind=self.cleaned_data.get("kind", ""))
        if wrong:
            raise ValidationError([str(reason) for reason in wrong])
        return settings


class AssignmentForm(ModelForm):
    router = ByName(models.Router, label="Device", required=False)

    class Meta:
        model = models.Assignment
        fields = ("profile", "level", "role", "site", "nic_model", "router")


class LinkForm(ModelForm):
    """A link with both its ends: a device with an interface, or an external without one."""

    a_device = forms.CharField(label="One end: device or external", max_length=63)
    a_interface = forms.CharField(label="its interface", max_length=64, required=False)
    b_device = forms.CharField(label="Other end: device or external", max_length=63)
    b_interface = forms.CharField(label="its interface", max_length=64, required=False)

    class Meta:
        model = models.Link
        fields = ("kind", "capacity_mbps")

    field_order = ("a_device", "a_interface", "b_device", "b_interface", "kind", "capacity_mbps")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for end in self.instance.ends.select_related("router", "external"):
                self.initial[f"{end.side}_device"] = str(end.router or end.external)
                self.initial[f"{end.side}_interface"] = end.interface

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        ends = {side: self._end(side, data) for side in ("a", "b")}
        devices = [end.router or end.external for end in ends.values() if end is not None]
        if len(devices) == 2 and devices[0] == devices[1]:
            self.add_error("b_device", f"found a link of {devices[0]} to itself, wanted two different devices")
        if len(devices) == 2 and not any(end.router for end in ends.values() if end is not None):
            self.add_error("b_device", "found two externals, wanted at least one device")
        data["ends"] = ends
        return data

    def _end(self, side: str, data: dict[str, Any]) -> models.LinkEnd | None:
        """One end as it was entered; None with an error at its field when it is none."""
        name, interface = data.get(f"{side}_device", ""), data.get(f"{side}_interface", "")
        if not name:
            return None
        router = models.Router.objects.filter(name=name).first()
        external = None if router else models.External.objects.filter(name=name).first()
        if router is None and external is None:
            known = [*models.Router.objects.values_list("name", flat=True)]
            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            self.add_error(f"{side}_device", f"found {name!r}, wanted a device or an external that exists{hint}")
            return None
        if router is None:
            if interface:
                self.add_error(f"{side}_interface", f"found {interface!r}, wanted nothing: {name} is an external")
            return models.LinkEnd(side=side, external=external)
        if not interface:
            self.add_error(f"{side}_interface", f"found nothing, wanted the interface of {name}")
            return None
        taken = models.LinkEnd.objects.filter(router=router, interface=interface).exclude(link=self.instance.pk).first()
        if taken is not None:
            self.add_error(
                f"{side}_interface", f"found {name}:{interface}, which is an end of link {taken.link_id} already"
            )
        return models.LinkEnd(side=side, router=router, interface=interface)

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002  # as Django has it
        row = super().save(commit)
        row.ends.all().delete()
        for end in self.cleaned_data["ends"].values():
            end.link = row
            end.save()
        return row
