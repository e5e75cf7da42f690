"""The pages: each view turns a request into one use case and its result into a template's context."""
