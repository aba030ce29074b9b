"""A database restored from an hour ago, devices as they are now."""
