"""The plan of everything that runs pods."""
