"""Training: simulated data sets, recipes and the loop; needs the torch extra where it learns."""
