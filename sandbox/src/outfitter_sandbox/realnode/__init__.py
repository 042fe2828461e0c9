"""A real kubelet in the sandbox: containers run, on Linux, as root."""
