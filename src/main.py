"""`python src/main.py …` is the `voxboard` command."""

import sys

try:
    from voxboard.cli import main
except ModuleNotFoundError as error:
    sys.exit(f"voxboard's environment is not active ({error}). Run `make env`, then `. .venv/bin/activate`.")

if __name__ == "__main__":
    sys.exit(main())
