"""Plans: the writes and the status that follow from the observed objects, as data."""
