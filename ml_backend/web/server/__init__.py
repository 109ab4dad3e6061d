"""The web server: whole requests reach a thread, everything slow waits in one loop that costs nothing."""
