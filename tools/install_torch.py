"""Install the pinned PyTorch, as the CPU build where no GPU is found.

The default Linux wheel carries CUDA (gigabytes). A machine without `nvidia-smi` first asks for the
CPU build by name, then asks the index named in TORCH_CPU_INDEX, and only then takes the default.
"""

import os
import platform
import shutil
import subprocess
import sys

VERSION = "2.13.0"


def pip_install(*arguments: str) -> bool:
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return subprocess.run([*command, *arguments], check=False).returncode == 0


def main() -> int:
    small_build_wanted = (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and shutil.which("nvidia-smi") is None
    )
    if small_build_wanted:
        if pip_install("--retries", "0", f"torch=={VERSION}+cpu"):
            return 0
        index = os.environ.get("TORCH_CPU_INDEX")
        if index and pip_install(
            "--retries", "0", "--timeout", "5", "--index-url", index, f"torch=={VERSION}"
        ):
            return 0
        print("No CPU build of torch was offered; installing the default build.", file=sys.stderr)
    return 0 if pip_install(f"torch=={VERSION}") else 1


if __name__ == "__main__":
    sys.exit(main())
