"""``python -m dougong``: the command line without its script."""

from dougong.commands import main

if __name__ == "__main__":
    main()
