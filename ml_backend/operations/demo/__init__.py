"""Generated Pap-smear-like cells, so that the loop can be tried without any patient's image."""
