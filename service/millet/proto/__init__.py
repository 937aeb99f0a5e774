"""Generated from `proto/` and committed; `make proto` writes it anew."""
