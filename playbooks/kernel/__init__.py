"""The kernel and its command line: tried once, made the default only when it has proved itself."""
