"""vLLM as the engine that samples: in this process, or as a server; nothing of vLLM is imported before it is used."""

from lit_iterative.generation.vllm.local import VLLM
from lit_iterative.generation.vllm.server import VLLMServer

__all__ = ["VLLM", "VLLMServer"]
