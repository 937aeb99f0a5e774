"""Found against true: matching, figures with their intervals, pictures."""
