"""An expert made of software, to see whether the loop pays."""
