"""The running operator: the only package that imports kopf."""
