"""Does active learning pay? Simulated experts and replays of labels that exist."""
