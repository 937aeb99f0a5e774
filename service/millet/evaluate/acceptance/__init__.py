"""A site's acceptance: what its own studies come to, held against what its readers said."""
