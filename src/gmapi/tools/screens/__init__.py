"""What makes pictures and films for screens in the game."""
