"""Tags of the pages about what goes out."""
