"""Does choosing pay? Strategies replayed on labels that are known already."""
