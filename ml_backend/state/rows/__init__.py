"""One small class of SQL per aggregate; `Store` is all of them together."""
