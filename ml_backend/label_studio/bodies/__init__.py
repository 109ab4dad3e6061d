"""The bodies that Label Studio sends and takes -> what PapLoop speaks of, and back."""
