"""Label Studio's regions <-> pixels: pure functions; nothing here knows HTTP, SQL or models."""
