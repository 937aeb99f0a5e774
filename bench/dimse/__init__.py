"""DICOM on the wire as the benchmarks' senders need it: made beforehand, next to nothing while it counts."""
