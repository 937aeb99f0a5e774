"""Exit 0 when a CUDA device and a runtime that uses it are both here."""

import sys

import onnxruntime
import torch

sys.exit(not (torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers()))
