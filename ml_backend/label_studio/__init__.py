"""The language of Label Studio, and only here."""
