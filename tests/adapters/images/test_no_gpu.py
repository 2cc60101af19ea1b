"""What stands in for the libraries of a GPU: the dynamic linker takes it, and its functions say that there is none."""

import _ctypes
import ctypes
import platform
from pathlib import Path

import pytest

from salvia.adapters.images import no_gpu

MACHINES = {"x86_64": 62, "aarch64": 183}


@pytest.fixture
def library(tmp_path: Path) -> ctypes.CDLL:
    symbols = {"cudaGetDeviceCount": "libcudart.so.13", "cudaGetErrorString": "libcudart.so.13", "cudaFree": ""}
    path = tmp_path / "libcudart.so.13"
    path.write_bytes(no_gpu._library(path.name, symbols, MACHINES[platform.machine()]))
    return ctypes.CDLL(str(path))


def test_every_function_says_that_there_is_no_device(library: ctypes.CDLL) -> None:
    assert (library.cudaGetDeviceCount(), library.cudaFree()) == (100, 100)


def test_what_gives_text_gives_a_sentence(library: ctypes.CDLL) -> None:
    library.cudaGetErrorString.restype = ctypes.c_char_p

    assert library.cudaGetErrorString(100) == b"CUDA is not part of this environment"


def test_no_other_function_is_there(library: ctypes.CDLL) -> None:
    with pytest.raises(AttributeError):
        library.malloc_of_nobody()


def test_a_library_is_read_with_what_it_needs_and_from_whom() -> None:
    read = no_gpu._read(Path(_ctypes.__file__))

    assert "libc.so.6" in read.needed
    assert "PyInit__ctypes" in read.defined
    assert read.undefined["dlsym"][0] == "libc.so.6"


def test_what_pip_reads_of_pytorch_names_no_gpu_any_more(tmp_path: Path) -> None:
    (tmp_path / "torch/lib").mkdir(parents=True)
    (tmp_path / "torch-2.dist-info").mkdir()
    metadata = tmp_path / "torch-2.dist-info/METADATA"
    metadata.write_text(
        "Name: torch\nRequires-Dist: filelock\nRequires-Dist: nvidia-nccl-cu13==2\nRequires-Dist: triton==3\n"
    )
    no_gpu.free(tmp_path)

    assert metadata.read_text() == "Name: torch\nRequires-Dist: filelock\n"
