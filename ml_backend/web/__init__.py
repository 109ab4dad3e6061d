"""PapLoop's HTTP interface."""
