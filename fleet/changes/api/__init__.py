"""The REST API of changes, windows, runs and events. Reads rows and calls what the pages call; touches no device."""
