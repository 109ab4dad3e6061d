"""The number of the way in which groups are found; apart from the rest, so that reading it imports no index."""

GROUPS_VERSION = 3
"""Raised whenever the same images arriving in the same order could form other groups. 1: by embedding and pixels;
2: by embedding or frame, and pixels; 3: and the pixels must tell one specimen from others like it."""
