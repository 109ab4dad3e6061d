"""The web server: threads get complete requests, and everything slow waits in one loop."""
