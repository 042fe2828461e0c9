"""Generators of `make generate`. The operator never imports them."""
