"""`python -m playground`: the command line."""

from playground.cli import main

if __name__ == "__main__":
    main()
