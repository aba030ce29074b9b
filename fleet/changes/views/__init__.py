"""Pages and buttons of changes."""
