"""A node without containers: pods are scheduled and get a status, in one small process."""
