"""`prefloop` and `python -m prefloop`."""

from prefloop.cli import main

if __name__ == "__main__":
    main()
