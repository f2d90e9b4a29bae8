"""`python -m coderai` is `coderai`."""

from coderai.cli import main

if __name__ == "__main__":
    main()
