"""Ranking: which image comes next."""
