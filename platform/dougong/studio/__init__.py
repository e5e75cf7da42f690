"""Administration pages: where a company is shaped and watched over."""
