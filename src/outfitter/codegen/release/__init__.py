"""The files of a version: built from the committed files of a checkout, and checked before they appear."""
