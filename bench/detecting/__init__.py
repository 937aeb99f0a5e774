"""Parts of the detector's benchmark: cases, models, results that are kept, and the rows they make."""
