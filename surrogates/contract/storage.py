"""The folder of a model: ``model.json``, ``weights.safetensors``, ``card.md``. Nothing is unpickled."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.errors import ModelFileError


def write_folder(
    folder: Path, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], card: str
) -> Path:
    """Write a model under a temporary name beside `folder`, flush it to disk, then rename it.

    Raises:
        FileExistsError: `folder` exists and is not empty.
    """
    from safetensors.numpy import save

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists; a model is never overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        os.chmod(temporary, 0o777 & ~_umask())
        contents = {
            "weights.safetensors": save({k: np.ascontiguousarray(v) for k, v in arrays.items()}),
            "model.json": json.dumps(description, indent=1).encode(),
            "card.md": card.encode(),
        }
        for name, content in contents.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Description and arrays that `write_folder` wrote.

    Raises:
        ModelFileError: no such folder, or its files do not read as a model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        description: dict[str, Any] = json.loads((folder / "model.json").read_text())
        return description, load_file(folder / "weights.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelFileError(f"{folder} holds no readable model: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
