"""docTR with weights that are made here, untrained, and loaded from disk.

Untrained, it finds nothing sensible. So that geometry can be checked, the last map of detection,
and only that, is replaced by where there is blue ink on the page: all before and after is real.
"""

import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import pytest

from ocrstream_worker.engines.port import DoctrSettings, EngineSettings

torch: Any = import_module("torch")
DETECTION = "db_mobilenet_v3_large"
RECOGNITION = "crnn_mobilenet_v3_small"
# A quarter of the pixels that docTR looks at, so a fourth of the time.
_SIDE = 512
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="not run: docTR on a GPU: torch finds none"
)
DEVICES: list[Any] = ["cpu", pytest.param("cuda", marks=needs_gpu)]
_FOLDER = tempfile.TemporaryDirectory(prefix="ocrstream-doctr-")
_MODELS: Any = import_module("doctr.models")


@cache
def weights() -> dict[str, str]:
    """Paths of state dicts: detection, recognition, crop_orientation, page_orientation."""
    see_ink(_MODELS.detection.DBNet)
    import_module("doctr.models.detection.differentiable_binarization.pytorch").default_cfgs[
        DETECTION
    ]["input_shape"] = (3, _SIDE, _SIDE)
    torch.manual_seed(7)
    empty: dict[str, Any] = {"pretrained": False, "pretrained_backbone": False}
    models = {
        "detection": getattr(_MODELS.detection, DETECTION)(**empty),
        "recognition": getattr(_MODELS.recognition, RECOGNITION)(**empty),
        "crop_orientation": _MODELS.classification.mobilenet_v3_small_crop_orientation(),
        "page_orientation": _MODELS.classification.mobilenet_v3_small_page_orientation(),
    }
    # Untrained, it would turn words as it likes: all are upright to this one.
    for name in ("crop_orientation", "page_orientation"):
        last = models[name].classifier[-1]
        torch.nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    paths = {name: Path(_FOLDER.name) / f"{name}.pt" for name in models}
    for name, model in models.items():
        torch.save(model.state_dict(), paths[name])
    return {name: str(path) for name, path in paths.items()}


def doctr_settings(
    pages: Literal["straight", "rotated", "straightened"] = "straight",
    languages: tuple[str, ...] = ("en",),
    device: str = "cpu",
    **changes: Any,
) -> EngineSettings:
    """Settings of a worker that was given these weights by path."""
    paths = {f"{name}_weights": path for name, path in weights().items()}
    own: dict[str, Any] = {"detection": DETECTION, "recognition": RECOGNITION, **paths, **changes}
    return EngineSettings(
        engine="doctr",
        languages=languages,
        device=device,
        # What an untrained recogniser reads, it is not sure of.
        min_confidence=0.0,
        batch_size=2,
        threads=2,
        doctr=DoctrSettings(pages=pages, **own),
    )


def see_ink(network: Any) -> None:
    """Have a kind of docTR's detection, `DBNet` or `FAST`, find words of blue ink."""
    real: Callable[..., Any] = network.forward

    def forward(self: Any, x: Any, *arguments: Any, **named: Any) -> Any:
        ink = _ink(x)

        def replace(_module: Any, _inputs: Any, output: Any) -> Any:
            return ink.to(output.dtype)

        hook = self.prob_head.register_forward_hook(replace)
        try:
            return real(self, x, *arguments, **named)
        finally:
            hook.remove()

    network.forward = forward


def _ink(x: Any) -> Any:
    """High where a normalised page is blue, in pieces as wide as words.

    Not where it is dark: docTR pads pages with black.
    """
    blue = (x[:, 2:3] - x[:, :1]).float() > 1
    words = torch.nn.functional.max_pool2d(blue.float(), (3, 15), 1, (1, 7))
    return words * 20 - 10
