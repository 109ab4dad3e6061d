"""Near-duplicates: exact and approximate neighbour search, groups, verification on pixels, calibration.

The only package that imports faiss.
"""
