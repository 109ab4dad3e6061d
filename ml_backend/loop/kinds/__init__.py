"""One folder for each kind of project; everything else works through `base.Kind` and does not branch on the kind.

Add a kind called NAME:
1. a reader of its controls in `label_studio/config/`, one of `parse.READERS`, which gives the job the `kind` NAME;
2. a file NAME.py in three wings below: `labels` (what a label is), `predictions/kinds` (answers for single tasks)
   and `effort/kinds` (what was proposed); protocols stand in `labels/rule.py` and in the `base.py` beside them;
3. a folder NAME here with a `kind.py` whose `KIND` follows `base.Kind`, and a training job that `KIND.train` calls.
`tests/ml_backend/loop/kinds/pairs.py` is a small one, and walks through a whole cycle beside it.
"""
