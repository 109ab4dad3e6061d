"""One file for each kind of project: how its models answer for a single task, and how their answers are drawn."""
