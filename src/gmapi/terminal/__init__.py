"""What the `gmapi` commands do and print; `cli` names them."""
