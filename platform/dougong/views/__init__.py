"""The pages: each view turns a request into a use case and its result into a page's context."""
