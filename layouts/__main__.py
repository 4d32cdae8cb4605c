"""Write the bundled stores anew from their recipes."""

from layouts.bundles import write_bundled_stores

if __name__ == "__main__":
    write_bundled_stores()
