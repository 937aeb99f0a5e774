"""Found against true: matching and counting."""
