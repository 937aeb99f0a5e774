"""A chest made from formulas, and the CT series a scanner would make of it."""
