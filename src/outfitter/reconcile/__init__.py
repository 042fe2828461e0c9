"""One reconciliation: gather, plan, execute, write status."""
