"""An in-memory API server with imitated controllers, for tests, `render` and the demo."""
