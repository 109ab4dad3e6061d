"""Near-duplicates: exact and approximate neighbor search, groups, verification on pixels, calibration.

The only package that imports faiss.
"""
