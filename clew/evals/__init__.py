"""Task sets and the comparison of graphs on them."""
