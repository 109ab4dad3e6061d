"""Everything that must survive: tables, vectors and the data directory."""
