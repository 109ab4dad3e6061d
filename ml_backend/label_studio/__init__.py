"""Everything specific to Label Studio."""
