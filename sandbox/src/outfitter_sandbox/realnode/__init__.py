"""A real node for the sandbox: a kubelet that runs containers, on Linux, as root."""
