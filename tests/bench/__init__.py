"""The performance bars, measured on real control planes. Run it with `python -m tests.bench`."""
