"""Images of VyOS: added, tried by a boot that happens once, made the default when they have proved themselves."""
