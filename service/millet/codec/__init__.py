"""Datasets, protobuf and pictures to our values and back: bytes in, values out."""
