"""What goes together: rows of the matrix and advisories, shipped as YAML and added to by a user's own files."""

from inventory.compat.files import knowledge

__all__ = ["knowledge"]
