"""The second simulator: a chest grown another way, which no network has learnt from."""
