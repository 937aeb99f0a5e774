"""Parts of the calibration's benchmark: its cases, what is reported in them, and the rows they make."""
