"""The steps of a run, one file each; every step may be killed and run again."""
