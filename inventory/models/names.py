"""Names of things in the inventory, and the shapes of short texts that several tables hold."""

from django.core.validators import RegexValidator

# No ":" (it parts router and interface in the ends of a link), no "/" (names stand in addresses of pages).
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
name_is_plain = RegexValidator(
    rf"^{NAME_PATTERN}\Z", "wanted letters, digits, '.', '_', '-', beginning with a letter or digit, at most 63"
)
hex4 = RegexValidator(r"^([0-9a-f]{4})?\Z", "wanted four hexadecimal digits in lower case, or nothing where unknown")
