"""Running a machine: start, watch, back up, restore."""
