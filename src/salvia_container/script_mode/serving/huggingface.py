"""Hugging Face's defaults: a transformers pipeline of the model in /opt/ml/model.

Source: sagemaker_huggingface_inference_toolkit: HF_TASK, {"inputs": ..., "parameters": {...}}.
"""

import json
import os
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, pipeline

from salvia_container.script_mode.serving.arrays import JSON
from salvia_container.script_mode.serving.functions import Defaults, ScriptHandler
from salvia_container.serving.handler import Refusal

_TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "LMHeadModel": "text-generation",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForImageClassification": "image-classification",
}


class HuggingfaceDefaults(Defaults):
    def model_fn(self, folder: str) -> Any:
        """Raises ValueError when neither HF_TASK nor the model's architecture says what it is for."""
        task: Any = os.environ.get("HF_TASK") or _task_of(Path(folder))
        return pipeline(task, model=folder, tokenizer=AutoTokenizer.from_pretrained(folder), device="cpu")

    def input_fn(self, body: str | bytes, content_type: str) -> Any:
        if content_type != JSON:
            raise Refusal(
                415, f"Content type {content_type} is not supported by this framework. Please implement input_fn."
            )
        try:
            data = json.loads(body)
        except ValueError as error:
            raise Refusal(400, f"the body is not JSON: {error}") from error
        if not isinstance(data, dict) or "inputs" not in data:
            raise Refusal(400, 'the body must be a JSON object with "inputs", and "parameters" where there are any')
        return data

    def predict_fn(self, data: Any, model: Any) -> Any:
        inputs, parameters = data["inputs"], data.get("parameters") or {}
        return model(**inputs, **parameters) if isinstance(inputs, dict) else model(inputs, **parameters)


def _task_of(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for architecture in config.get("architectures") or ():
        for ending, task in _TASKS.items():
            if architecture.endswith(ending):
                return task
    raise ValueError(f"Task couldn't be inferenced from {config.get('architectures')}: set HF_TASK.")


def handler() -> ScriptHandler:
    return ScriptHandler(HuggingfaceDefaults())
