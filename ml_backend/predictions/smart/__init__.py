"""Smart tools: a box or a click becomes an outline."""
