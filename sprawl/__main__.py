"""`python -m sprawl` is the `sprawl` command."""

from sprawl.cli import main

if __name__ == "__main__":
    main()
