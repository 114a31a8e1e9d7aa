"""One script a question. Figures are ratios within one run; results are JSON with machine, versions and commit."""
