"""Does active learning pay? Simulated experts and replays of existing labels."""
