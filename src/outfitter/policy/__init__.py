"""Rules over a workload before its revision is made: layers in, checks out."""
