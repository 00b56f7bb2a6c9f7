"""Starting, limiting, watching and killing child processes."""
