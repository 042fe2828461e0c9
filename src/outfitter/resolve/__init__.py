"""View -> what is meant, or why not: every namespace, scope and elevation rule lives in this package."""
