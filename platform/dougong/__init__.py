"""The Flask shell: HTTP in, use case, HTML or JSON out; and the command line."""
