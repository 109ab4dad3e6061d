"""Files in, files out: what a run asks of training."""
