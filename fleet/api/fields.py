"""Fields that take what the document says and nothing that only looks like it: 0 is no text, "5" is no number."""

from typing import Any

from rest_framework import serializers


class Text(serializers.CharField):
    """A text as it is: spaces stay, numbers are not made into texts."""

    def __init__(self, **more: Any) -> None:
        more.setdefault("min_length", 0 if more.get("allow_blank") else 1)
        super().__init__(trim_whitespace=False, **more)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A whole number in a content. (In an address everything is a text: there it is an IntegerField.)"""

    def to_internal_value(self, data: Any) -> int:
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not whole:
            self.fail("invalid")
        return int(super().to_internal_value(int(data)))


class Flag(serializers.BooleanField):
    """True or false in a content."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
