"""The loop for projects in which objects are drawn: labels, training, judging, predicting, ordering."""
