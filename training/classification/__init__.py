"""Ways to train a classifier; one file per method, found by its name.

A method's file `<method>.py` holds `NEEDS` ("embeddings" or "images"), `fit(request, progress) -> Classifier` and
`load(checkpoint) -> Classifier`.
"""
