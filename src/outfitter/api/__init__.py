"""The API: models of every kind, references between them, conditions, validation and the CRDs generated from them."""
