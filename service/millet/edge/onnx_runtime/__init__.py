"""The detector by ONNX Runtime, on CPU or CUDA, where asked by TensorRT; it never falls back to another."""

from millet.edge.onnx_runtime.detector import OnnxRuntimeDetector
from millet.edge.onnx_runtime.providers import TensorRt, devices

__all__ = ["OnnxRuntimeDetector", "TensorRt", "devices"]
