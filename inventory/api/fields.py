"""From the forms of the inventory to JSON and back: each field of a form is a field of the API, with its bounds."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Model
from rest_framework import serializers

from fleet.api.fields import Flag, Text, Whole
from inventory.views import setting_lines
from inventory.views.forms import Tags

Shape = serializers.Serializer[Any]
# Of a text field whose form has no bound of its own: a profile of 500 settings, a host key.
LONGEST = 100_000
SETTINGS = "settings"


def by_name(model: type[Model]) -> bool:
    """Is a row of this table told by a name of its own? Otherwise by its number."""
    return any(f.name == "name" and getattr(f, "unique", False) for f in model._meta.get_fields())


def _model(field: Any) -> type[Model]:
    """The table that a field of a form chooses from."""
    found: type[Model] = field.queryset.model
    return found


def taken(name: str, field: forms.Field) -> serializers.Field[Any, Any, Any, Any]:
    """What may be sent for a field of a form."""
    # What the table has a value for by itself may be left out.
    more: dict[str, Any] = {"required": field.required and field.initial is None}
    if field.help_text:
        more["help_text"] = str(field.help_text)
    match field:
        case forms.ModelChoiceField():
            model = _model(field)
            null = not field.required
            if by_name(model):
                return serializers.CharField(
                    max_length=100, min_length=1, allow_null=null, trim_whitespace=False, **more
                )
            return Whole(min_value=1, max_value=2**63 - 1, allow_null=null, **more)
        case Tags():
            return serializers.ListField(child=Text(max_length=63), max_length=100, **more)
        case forms.BooleanField():
            return Flag(**{**more, "required": False})
        case forms.IntegerField():
            return Whole(min_value=-(2**31), max_value=2**31 - 1, **more)
        case forms.JSONField():
            return serializers.JSONField(allow_null=not field.required, **more)
        case forms.TypedChoiceField():
            every: Any = field.choices
            choices = [value for value, _ in every]
            return serializers.ChoiceField([c for c in choices if c != ""], allow_blank=not field.required, **more)
        case _ if name == SETTINGS:
            return serializers.DictField(child=serializers.JSONField(allow_null=True), **more)
        case _:
            longest = getattr(field, "max_length", None) or LONGEST
            null = not field.required
            return Text(max_length=longest, allow_blank=null, allow_null=null, **more)


def given(name: str, field: forms.Field) -> serializers.Field[Any, Any, Any, Any]:
    """What is answered for a field of a form."""
    match field:
        case forms.ModelChoiceField():
            if by_name(_model(field)):
                return serializers.CharField(allow_null=True)
            return serializers.IntegerField(allow_null=True)
        case Tags():
            return serializers.ListField(child=serializers.CharField())
        case forms.BooleanField():
            return serializers.BooleanField()
        case forms.IntegerField():
            return serializers.IntegerField(allow_null=True)
        case forms.JSONField():
            return serializers.JSONField(allow_null=True)
        case _ if name == SETTINGS:
            return serializers.JSONField()
        case _:
            return serializers.CharField(allow_blank=True, allow_null=True)


def value_of(row: Any, name: str, field: forms.Field, initial: Mapping[str, Any]) -> Any:
    """What a row has in a field, as the API says it."""
    match field:
        case forms.ModelChoiceField():
            other = getattr(row, name)
            if other is None:
                return None
            return other.name if by_name(type(other)) else other.pk
        case _ if hasattr(row, name):
            return getattr(row, name)
        case _:
            return initial.get(name, "")


def text_of(name: str, field: forms.Field, value: Any) -> Any:
    """What was sent, as the field of the form takes it. A name that nobody has stays as it is: the form says so."""
    match field:
        case forms.ModelChoiceField():
            if value is None:
                return ""
            model = _model(field)
            if field.to_field_name == "name" or not by_name(model):
                return value
            found = model._default_manager.filter(name=value).values_list("pk", flat=True).first()
            return found if found is not None else value
        case Tags():
            return ", ".join(value)
        case forms.BooleanField():
            return "on" if value else ""
        case forms.JSONField():
            return "" if value is None else json.dumps(value)
        case _ if name == SETTINGS:
            return setting_lines.render(value)
        case _:
            return "" if value is None else str(value)
