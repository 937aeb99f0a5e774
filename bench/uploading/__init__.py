"""The upload part of `bench/grpc_api.py`."""
