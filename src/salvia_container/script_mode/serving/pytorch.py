"""PyTorch's defaults. Source: sagemaker_pytorch_serving_container.default_pytorch_inference_handler."""

from pathlib import Path
from typing import Any

import torch

from salvia_container.script_mode.serving.arrays import TEXTS, decode, encode
from salvia_container.script_mode.serving.functions import Defaults, ScriptHandler


class PytorchDefaults(Defaults):
    def model_fn(self, folder: str) -> Any:
        """A TorchScript module: model.pt, else the one file that ends in .pt or .pth. Raises ValueError, RuntimeError."""
        path = Path(folder) / "model.pt"
        if not path.exists():
            found = [file.name for file in sorted(Path(folder).iterdir()) if file.suffix in {".pt", ".pth"}]
            if len(found) != 1:
                raise ValueError(f"Exactly one .pth or .pt file is required for PyTorch models: {found}")
            path = Path(folder) / found[0]
        try:
            return torch.jit.load(str(path), map_location="cpu").eval()
        except RuntimeError as error:
            raise RuntimeError(f"Failed to load {path}. Please ensure model is saved using torchscript.") from error

    def input_fn(self, body: str | bytes, content_type: str) -> Any:
        array = decode(body, content_type)
        return torch.tensor(array, dtype=torch.float32) if content_type in TEXTS else torch.from_numpy(array)

    def predict_fn(self, data: Any, model: Any) -> Any:
        with torch.no_grad():
            return model.eval()(data)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        if isinstance(prediction, torch.Tensor):
            prediction = prediction.detach().cpu().numpy().tolist()
        return encode(prediction, accept)


def handler() -> ScriptHandler:
    return ScriptHandler(PytorchDefaults())
