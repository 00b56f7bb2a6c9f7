"""The regular expressions of the package, and what is hard for each."""
