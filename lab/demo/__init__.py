"""`make demo`: the main job, seen on a fleet of this one machine."""
