"""Outfitter: a Kubernetes operator for workload assets and the workloads made from them."""

__version__ = "0.1.0"
