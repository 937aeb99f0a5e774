"""Native decoders in processes of their own: a slice that crashes one costs its series and nothing else."""
