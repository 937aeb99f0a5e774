"""Exit 0 when a CUDA device and a runtime that uses it are both here."""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
import torch

sys.exit(not (torch.cuda.is_available() and "CUDAExecutionProvider" in onnxruntime.get_available_providers()))
